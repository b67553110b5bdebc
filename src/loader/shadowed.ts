import type { WebGlobals } from '../http/web/globals.ts'
import type { ScopedTimers } from './timers.ts'

/** Globals that a function finds replaced: by parameters of the same names, not by patching. */
export const SHADOWED_GLOBALS = [
  'Request',
  'Response',
  'Headers',
  'fetch',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'clearTimeout',
  'clearInterval',
  'clearImmediate',
] as const satisfies readonly (keyof ShadowedGlobals)[]

export type ShadowedGlobals = WebGlobals & Omit<ScopedTimers, 'dispose'>

/**
 * Parameter that holds all of {@link SHADOWED_GLOBALS}: `globalThis.fetch` is compiled to a member
 * of it. A plain `fetch` would find a variable of that name that the module itself declares.
 */
export const GLOBALS_PARAMETER = '__fezz_globals'

/** Parameter that makes the `import.meta` of a source file, given its path from the entry's folder. */
export const META_PARAMETER = '__fezz_meta'

/** Variable of each source file that stands for `import.meta`, `__filename` and `__dirname`. */
export const META_VARIABLE = '__fezz_here'

/** Modules that the host provides to every function, so that all share one copy. */
export const PROVIDED_MODULES = ['fezz', 'fezz/decorators'] as const
export type ProvidedModule = (typeof PROVIDED_MODULES)[number]
