import { METHODS } from 'node:http'
import { FezzError } from '../errors.ts'
import { parseHost } from './host-pattern.ts'
import { parsePath } from './path-pattern.ts'

/** One route and what it leads to: the form in which a {@link RouteTable} is built. */
export interface RouteEntry<T> {
  /** Upper case. GET answers HEAD too; `ANY` answers every method, unknown ones too. */
  readonly methods: readonly string[] | 'ANY'
  /** Pattern, see {@link parsePath}. */
  readonly path: string
  /** Pattern, see {@link parseHost}; absent means any host. */
  readonly host?: string | undefined
  /** Higher is tried first. Each distinct value costs a lookup of its own: use few. */
  readonly priority: number
  /** What `find` answers with. */
  readonly target: T
}

/**
 * A route as people write it; immutable, each step answers with a new one.
 *
 * @example
 * new Route('GET', '/api/users/:id', 'user-get').priority(5).host('*.example.com')
 */
export class Route<T = string> {
  /** The route, checked, every default filled in. */
  readonly entry: RouteEntry<T>

  /**
   * @param method one, a list, or `'ANY'`
   * @param path see {@link parsePath}
   * @param target the function's id
   * @param options priority (default 0) and host (default any)
   * @throws FezzError `INVALID_MANIFEST`
   */
  constructor(
    method: string | readonly string[],
    path: string,
    target: T,
    options: { readonly priority?: number; readonly host?: string | undefined } = {},
  ) {
    const where = typeof target === 'string' ? `function ${JSON.stringify(target)}` : 'route'
    const { priority = 0, host } = options
    parsePath(path, where)
    checkPriority(priority, where)
    this.entry = Object.freeze({
      methods: parseMethods(method, where),
      path,
      host: host === undefined ? undefined : parseHost(host, where),
      priority,
      target,
    })
  }

  /** The same route at another priority: an integer, higher is tried first. */
  priority(priority: number): Route<T> {
    const { methods, path, target, host } = this.entry
    return new Route(methods, path, target, { priority, host })
  }

  /** The same route on one host, or on every host under a suffix: `'*.example.com'`. */
  host(host: string): Route<T> {
    const { methods, path, target, priority } = this.entry
    return new Route(methods, path, target, { priority, host })
  }
}

function parseMethods(
  method: string | readonly string[],
  where: string,
): readonly string[] | 'ANY' {
  if (method === 'ANY') return 'ANY'
  const methods = [...new Set(typeof method === 'string' ? [method] : method)]
  if (methods.length === 0) {
    throw new FezzError('INVALID_MANIFEST', `${where}: method [] is empty; write "ANY" for all`)
  }
  for (const name of methods) {
    if (METHODS.includes(name)) continue
    const hint =
      name === 'ANY' ? '"ANY" stands alone, not in a list' : 'write one in upper case, or "ANY"'
    throw new FezzError(
      'INVALID_MANIFEST',
      `${where}: method ${JSON.stringify(name)} is not an HTTP method; ${hint}`,
    )
  }
  return Object.freeze(methods)
}

/** @throws FezzError `INVALID_MANIFEST` when it is not an integer */
export function checkPriority(priority: number, where = 'route'): void {
  if (Number.isSafeInteger(priority)) return
  throw new FezzError(
    'INVALID_MANIFEST',
    `${where}: priority ${String(priority)} is not an integer; higher is tried first, default 0`,
  )
}
