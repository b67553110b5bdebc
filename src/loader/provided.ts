import { createRequire } from 'node:module'
import { PROVIDED_MODULES, type ProvidedModule } from './shadowed.ts'

/** Gives a function the host's own copy of a module. */
export type Provide = (specifier: ProvidedModule) => unknown

// Where this very code came from: its source, or the package that was built of it.
const FILES: Readonly<Record<ProvidedModule, string>> = import.meta.url.endsWith('.ts')
  ? { fezz: '../index.ts', 'fezz/decorators': '../../decorators/index.ts' }
  : { fezz: './index.js', 'fezz/decorators': './decorators.js' }

const requireOwn = createRequire(import.meta.url)

/** Loads it when a function first asks for it. */
export const provideOwn: Provide = specifier => requireOwn(FILES[specifier])

export function isProvided(specifier: string): specifier is ProvidedModule {
  return (PROVIDED_MODULES as readonly string[]).includes(specifier)
}
