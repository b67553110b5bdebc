import { createRequire } from 'node:module'

/** Version of Fezz, from its own package.json wherever this file was bundled to. */
export const version: string = createRequire(import.meta.url)('fezz/package.json').version
