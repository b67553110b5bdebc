import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type WebGlobals, webGlobals } from '../http/web/globals.ts'
import type { ArtifactCode } from './artifact.ts'
import { compileBundle } from './code-cache.ts'
import { isProvided, type Provide, provideOwn } from './provided.ts'
import {
  GLOBALS_PARAMETER,
  META_PARAMETER,
  META_VARIABLE,
  SHADOWED_GLOBALS,
  type ShadowedGlobals,
} from './shadowed.ts'
import { rememberArtifact } from './stack.ts'
import { createTimers } from './timers.ts'

export interface EvaluateOptions {
  /** What shadows the platform's web types. Default: Fezz's own. */
  readonly webTypes?: WebGlobals
  /** Where `fezz` and `fezz/decorators` come from. Default: this very copy. */
  readonly provide?: Provide
}

/** A module that was evaluated. */
export interface EvaluatedArtifact {
  readonly exports: object
  /** Clears the timers that it has set. Idempotent. */
  dispose(): void
}

const PARAMETERS = [
  'exports',
  'require',
  'module',
  '__filename',
  '__dirname',
  GLOBALS_PARAMETER,
  META_PARAMETER,
  META_VARIABLE,
  ...SHADOWED_GLOBALS,
] as const

/**
 * Runs a bundle anew. When `dispose` has been called and the exports are let go of, all of its memory
 * is free again.
 *
 * @throws whatever the module throws
 */
export async function evaluateArtifact(
  code: Pick<ArtifactCode, 'folder' | 'entry'>,
  options: EvaluateOptions = {},
): Promise<EvaluatedArtifact> {
  const { webTypes = webGlobals, provide = provideOwn } = options
  rememberArtifact(code)
  const run = await compileBundle(code.folder, PARAMETERS)
  const { dispose, ...timers } = createTimers()
  const globals: ShadowedGlobals = { ...webTypes, ...timers }
  const module = { exports: {} }
  const meta = metaFor(dirname(code.entry))
  const values: Readonly<Record<(typeof PARAMETERS)[number], unknown>> = {
    ...globals,
    exports: module.exports,
    require: requireFor(code.entry, provide),
    module,
    __filename: code.entry,
    __dirname: dirname(code.entry),
    [GLOBALS_PARAMETER]: globals,
    [META_PARAMETER]: meta,
    [META_VARIABLE]: meta(basename(code.entry)),
  }
  try {
    run.apply(
      module.exports,
      PARAMETERS.map(name => values[name]),
    )
  } catch (error) {
    dispose()
    throw error
  }
  return { exports: module.exports, dispose }
}

/** Made when it is first used: most bundles need `node:` modules at most. */
function requireFor(entry: string, provide: Provide): NodeJS.Require {
  let fromEntry: NodeJS.Require | undefined
  const resolving = (): NodeJS.Require => {
    fromEntry ??= createRequire(entry)
    return fromEntry
  }
  const require = (id: string): unknown => {
    if (isProvided(id)) return provide(id)
    return process.getBuiltinModule(id) ?? resolving()(id)
  }
  Object.defineProperties(require, {
    resolve: { get: () => resolving().resolve },
    cache: { get: () => resolving().cache },
    main: { value: undefined },
  })
  return require as NodeJS.Require
}

/** `import.meta` of a source, given its way from the entry's folder. */
function metaFor(folder: string) {
  return (fromEntry: string) => {
    const filename = join(folder, fromEntry)
    return {
      filename,
      dirname: dirname(filename),
      url: pathToFileURL(filename).href,
      resolve: (specifier: string): string => {
        const found = createRequire(filename).resolve(specifier)
        return found.startsWith('node:') ? found : pathToFileURL(found).href
      },
    }
  }
}
