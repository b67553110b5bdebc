/** @internal Not for the declarations: it is bundled, so whoever reads them may not have its types. */
import 'reflect-metadata/lite'
import type { FezzHandler } from '../src/function/contract.ts'
import type { ManifestInput } from '../src/function/manifest.ts'

/**
 * The same text as `MANIFEST_METADATA_KEY` of src/function/manifest.ts. Written out again, because
 * at run time the decorators need nothing of the host.
 */
const KEY = 'fezz:manifest'

/** A class whose instances answer requests. The host makes them with `new` and no arguments. */
export type FezzClass = new () => FezzHandler

/**
 * A class decorator in both dialects: with `experimentalDecorators` it is called with the class
 * alone, by the standard (TC39, stage 3) with the class and a context.
 */
export type FezzClassDecorator = <Class extends FezzClass>(
  target: Class,
  context?: ClassDecoratorContext<Class>,
) => void

/** Everything of a manifest that has a default. */
export type FezzFunctionOptions = Omit<ManifestInput, 'id' | 'path'>

/**
 * Declares a class to be a function. What is declared is checked when the function is registered;
 * {@link manifestOf} reads it back.
 *
 * @example
 * ```ts
 * @FezzFunction('hello', '/hello')
 * export class Hello {
 *   fetch(request: Request) {
 *     return new Response(`Hello, ${request.headers.get('x-name') ?? 'World'}!`)
 *   }
 * }
 * ```
 *
 * @param id unique on the host: letters, digits, `.`, `_`, `-`
 * @param path literal segments, `:name`, and a last `*`
 * @throws TypeError when the arguments have the wrong shape, or what is decorated is not a class
 */
export function FezzFunction(
  id: string,
  path: string,
  options?: FezzFunctionOptions,
): FezzClassDecorator
/** @param manifest the same, as one object */
export function FezzFunction(manifest: ManifestInput): FezzClassDecorator
export function FezzFunction(
  idOrManifest: string | ManifestInput,
  path?: string,
  options: FezzFunctionOptions = {},
): FezzClassDecorator {
  const manifest = frozenCopy(manifestOfArguments(idOrManifest, path, options)) as ManifestInput
  return (target, context) => {
    if (typeof target !== 'function' || (context !== undefined && context.kind !== 'class')) {
      throw new TypeError('@FezzFunction decorates classes; write it above "class"')
    }
    if (context === undefined) Reflect.defineMetadata(KEY, manifest, target)
    else {
      // The standard lets a decorator further out replace the class; its initializers run on what
      // has come out in the end.
      context.addInitializer(function () {
        Reflect.defineMetadata(KEY, manifest, this)
      })
    }
  }
}

/**
 * What `@FezzFunction` has declared for this very class: frozen, unchecked, and without defaults.
 * `undefined` for a class without the decorator, also when its parent has one.
 */
export function manifestOf(
  target: abstract new (...args: never[]) => unknown,
): ManifestInput | undefined {
  return Reflect.getOwnMetadata(KEY, target)
}

function manifestOfArguments(
  idOrManifest: string | ManifestInput,
  path: string | undefined,
  options: FezzFunctionOptions,
): ManifestInput {
  if (isRecord(idOrManifest)) return idOrManifest
  if (typeof idOrManifest === 'string' && typeof path === 'string' && isRecord(options)) {
    return { ...options, id: idOrManifest, path }
  }
  throw new TypeError(
    "@FezzFunction takes an id, a path and perhaps options, or one object: @FezzFunction('hello', '/hello', { method: 'GET' }) or @FezzFunction({ id: 'hello', path: '/hello' })",
  )
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function frozenCopy(value: unknown): unknown {
  if (Array.isArray(value)) return Object.freeze(value.map(frozenCopy))
  if (!isRecord(value)) return value
  const entries = Object.entries(value).map(([key, member]) => [key, frozenCopy(member)])
  return Object.freeze(Object.fromEntries(entries))
}
