import { FezzError } from '../errors.ts'
import type { FezzHandler, FunctionContext, LifecycleContext } from './contract.ts'
import { MANIFEST_METADATA_KEY, type Manifest, type ManifestInput } from './manifest.ts'
import { checkManifest, deriveManifest, withoutAbsent } from './manifest-schema.ts'

/** One function of a module: what it is called there, and its checked manifest. */
export interface FoundFunction {
  readonly exportName: string
  readonly manifest: Manifest
}

/**
 * Every function of a module: each exported class with `@FezzFunction`, under whatever name, and
 * the default export where it follows another convention. The latter's manifest is
 * `export const manifest = {...}`, which may be partial; its id defaults to the file's name, its
 * routes to `/<id>` and `/<id>/*`.
 *
 * @param moduleExports what the module exports; of a CommonJS module, its `module.exports`
 * @throws FezzError `INVALID_MANIFEST` when there is none, one is wrong, or two have the same id
 */
export function functionsIn(moduleExports: object, fileName: string): FoundFunction[] {
  const found = decoratedIn(moduleExports)
  const value = exportOf(moduleExports, 'default')
  const declared = (moduleExports as { readonly manifest?: Partial<ManifestInput> }).manifest
  if (conventionOf(value) !== undefined && declarationOf(value) === undefined) {
    found.push({ exportName: 'default', manifest: deriveManifest(fileName, declared) })
  } else if (declared !== undefined) {
    throw invalid(
      `${fileName} exports a manifest, but no undecorated default export that it could belong to`,
    )
  }
  if (found.length === 0) throw invalid(`No function found in ${fileName}: ${ACCEPTED_FORMS}`)
  refuseSameId(found, fileName)
  return found
}

/**
 * The manifest of a value that the embedding program registers: what its decorator declares, overlaid
 * with `declared`.
 *
 * @throws FezzError `INVALID_MANIFEST` when the value is no function, or what is declared is wrong
 */
export function manifestFor(value: unknown, declared: Partial<ManifestInput> = {}): Manifest {
  const subject = describe(value)
  if (conventionOf(value) === undefined) {
    throw invalid(`${subject} is not a function: ${ACCEPTED_FORMS}`)
  }
  return checkManifest({ ...declarationOf(value), ...withoutAbsent(declared) }, subject)
}

/** The export that a {@link FoundFunction} names. `default` of a CommonJS module is the whole of it. */
export function exportOf(moduleExports: object, exportName: string): unknown {
  const isCommonJs = !('default' in moduleExports || '__esModule' in moduleExports)
  if (exportName === 'default' && isCommonJs) return moduleExports
  return (moduleExports as Readonly<Record<string, unknown>>)[exportName]
}

/** A function of any convention, behind one way to call it. None of the members needs `this`. */
export interface BoundFunction {
  readonly fetch: (request: Request, context: FunctionContext) => Response | Promise<Response>
  readonly onLoad: ((context: LifecycleContext) => void | Promise<void>) | undefined
  readonly onUnload: ((context: LifecycleContext) => void | Promise<void>) | undefined
}

/**
 * Makes the instance of a function; for a class that runs its constructor. Which convention it
 * follows is decided here, once, and not per request.
 *
 * @throws FezzError `INVALID_MANIFEST` when it follows none, and whatever the constructor throws
 */
export function bindFunction(value: unknown): BoundFunction {
  switch (conventionOf(value)) {
    case 'class': {
      const handler = new (value as new () => FezzHandler)()
      if (typeof handler?.fetch !== 'function')
        throw invalid(`${describe(value)} has no fetch method`)
      return { fetch: (request, context) => handler.fetch(request, context), ...hooksOf(handler) }
    }
    case 'instance': {
      const handler = value as FezzHandler
      return { fetch: (request, context) => handler.fetch(request, context), ...hooksOf(handler) }
    }
    case 'module': {
      const module = value as WorkersModule
      return {
        fetch: (request, context) => module.fetch(request, context.env, context),
        ...hooksOf(module),
      }
    }
    case 'function': {
      const answer = value as PlainFunction
      return {
        fetch: (request, context) => answer(request, context),
        onLoad: undefined,
        onUnload: undefined,
      }
    }
    default:
      throw invalid(`${describe(value)} is not a function: ${ACCEPTED_FORMS}`)
  }
}

/** Also a Hono app: its `fetch` takes the same three. */
interface WorkersModule extends Pick<FezzHandler, 'onLoad' | 'onUnload'> {
  fetch(
    request: Request,
    env: FunctionContext['env'],
    context: FunctionContext,
  ): Response | Promise<Response>
}

type PlainFunction = FezzHandler['fetch']

/** `instance`: an object made of a decorated class, called like the class would be. */
type Convention = 'class' | 'instance' | 'module' | 'function'

const ACCEPTED_FORMS =
  "export a class with @FezzFunction('hello', '/hello') and a fetch method, or make the default export such a class, an object with fetch(request, env, ctx), or a function (request, ctx)"

/** A class of any compiler says so in its source; one compiled to ES5 shows by its `fetch`. */
const CLASS_SOURCE = /^class\b/

function conventionOf(value: unknown): Convention | undefined {
  if (typeof value === 'function') {
    if (declarationOf(value) !== undefined || typeof value.prototype?.fetch === 'function') {
      return 'class'
    }
    return CLASS_SOURCE.test(Function.prototype.toString.call(value)) ? undefined : 'function'
  }
  if (typeof (value as Partial<WorkersModule> | null | undefined)?.fetch !== 'function') {
    return undefined
  }
  return declarationOf(value) === undefined ? 'module' : 'instance'
}

/**
 * What a decorator has declared for this very class, or for the class of this object. The decorators
 * define `Reflect.getOwnMetadata`; where nobody has, nothing is decorated.
 */
function declarationOf(value: unknown): ManifestInput | undefined {
  const { getOwnMetadata } = Reflect as {
    readonly getOwnMetadata?: (key: string, target: object) => ManifestInput | undefined
  }
  const target = typeof value === 'object' ? value?.constructor : value
  return typeof target === 'function' ? getOwnMetadata?.(MANIFEST_METADATA_KEY, target) : undefined
}

function decoratedIn(moduleExports: object): FoundFunction[] {
  const classes = new Map<unknown, string>()
  const exported = Object.entries(moduleExports)
  if (typeof moduleExports === 'function') exported.push(['default', moduleExports])
  for (const [exportName, value] of exported) {
    const decorated = typeof value === 'function' && declarationOf(value) !== undefined
    if (decorated && !classes.has(value)) classes.set(value, exportName)
  }
  return Array.from(classes, ([value, exportName]) => ({
    exportName,
    manifest: checkManifest(declarationOf(value), describe(value)),
  }))
}

function refuseSameId(found: readonly FoundFunction[], fileName: string): void {
  const names = new Map<string, string>()
  for (const { exportName, manifest } of found) {
    const other = names.get(manifest.id)
    if (other !== undefined) {
      throw invalid(
        `${fileName} has two functions with the id "${manifest.id}": the exports ${other} and ${exportName}; rename one`,
      )
    }
    names.set(manifest.id, exportName)
  }
}

function hooksOf(handler: Pick<FezzHandler, 'onLoad' | 'onUnload'>) {
  return {
    onLoad: handler.onLoad?.bind(handler),
    onUnload: handler.onUnload?.bind(handler),
  }
}

function describe(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value !== 'function') return `a value of type ${typeof value}`
  const name = value.name || '(anonymous)'
  return CLASS_SOURCE.test(Function.prototype.toString.call(value)) ? `class ${name}` : `${name}()`
}

function invalid(message: string): FezzError {
  return new FezzError('INVALID_MANIFEST', message)
}
