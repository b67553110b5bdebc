import type { FezzHandler, FunctionContext, LifecycleContext } from './contract.ts'
import { invalidManifest, MANIFEST_METADATA_KEY, type ManifestInput } from './manifest.ts'

/** An export of a module by its name. `default` of a CommonJS module is the whole of it. */
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
        throw invalidManifest(`${describe(value)} has no fetch method`)
      return bindHandler(handler)
    }
    case 'instance':
      return bindHandler(value as FezzHandler)
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
      throw invalidManifest(`${describe(value)} is not a function: ${ACCEPTED_FORMS}`)
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

/** What a function may look like, for messages. */
export const ACCEPTED_FORMS =
  "export a class with @FezzFunction('hello', '/hello') and a fetch method, or make the default export such a class, an object with fetch(request, env, ctx), or a function (request, ctx)"

/** A class of any compiler says so in its source; one compiled to ES5 shows by its `fetch`. */
const CLASS_SOURCE = /^class\b/

/** Which convention `value` follows; `undefined` when it is no function. */
export function conventionOf(value: unknown): Convention | undefined {
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
export function declarationOf(value: unknown): ManifestInput | undefined {
  const { getOwnMetadata } = Reflect as {
    readonly getOwnMetadata?: (key: string, target: object) => ManifestInput | undefined
  }
  const target = typeof value === 'object' ? value?.constructor : value
  return typeof target === 'function' ? getOwnMetadata?.(MANIFEST_METADATA_KEY, target) : undefined
}

function bindHandler(handler: FezzHandler): BoundFunction {
  return { fetch: (request, context) => handler.fetch(request, context), ...hooksOf(handler) }
}

function hooksOf(handler: Pick<FezzHandler, 'onLoad' | 'onUnload'>) {
  return {
    onLoad: handler.onLoad?.bind(handler),
    onUnload: handler.onUnload?.bind(handler),
  }
}

/** `value` in a message. */
export function describe(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value !== 'function') return `a value of type ${typeof value}`
  const name = value.name || '(anonymous)'
  return CLASS_SOURCE.test(Function.prototype.toString.call(value)) ? `class ${name}` : `${name}()`
}
