import FindMyWay from 'find-my-way'
import type { PathPattern } from './path-pattern.ts'

/** A route answers. One shared object per route that captures nothing. */
export interface RouteFound<T> {
  readonly kind: 'found'
  readonly target: T
  /** Captures: `:name` under its name, `*` under `'*'`, percent-decoded once; safe for any name. */
  readonly params: Readonly<Record<string, string>>
}

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze(Object.create(null))

/** find-my-way wants a handler to call; here the store of a route is what is asked for. */
const noHandler = () => {}

/** Without it a parameter would match an empty segment. */
const NOT_EMPTY = '([^]+)'

/**
 * Targets by path pattern, the more specific pattern first: segment by segment from the left,
 * literal before `:param` before `*`, and back to the next best when a choice leads nowhere.
 * Patterns without captures are looked up as they are, which no other pattern can beat; the router
 * for the others is made when a request first needs it, for it is large and most are never asked.
 */
export class PathTree<T> {
  readonly #literals = new Map<string, RouteFound<T>>()
  /** By shape, names of parameters left out, so that patterns alike meet. */
  readonly #captures = new Map<string, { readonly path: string; readonly target: T }>()
  #router: FindMyWay.Instance<FindMyWay.HTTPVersion.V1> | undefined

  /** Adds a target; of two patterns alike (`/a/:x` and `/a/:y` are) the earlier stays. */
  add(pattern: PathPattern, target: T): void {
    if (pattern.literal !== undefined) {
      if (this.#literals.has(pattern.literal)) return
      this.#literals.set(pattern.literal, { kind: 'found', target, params: NO_PARAMS })
      return
    }
    let shape = ''
    let path = ''
    for (const { kind, text } of pattern.segments) {
      // find-my-way writes a literal colon twice.
      const plain = text.replaceAll(':', '::')
      shape += kind === 'param' ? '/:' : `/${plain}`
      path += kind === 'param' ? `/:${text}${NOT_EMPTY}` : `/${plain}`
    }
    if (!this.#captures.has(shape)) this.#captures.set(shape, { path, target })
  }

  /** @param path canonical, starts with `/` */
  find(path: string): RouteFound<T> | undefined {
    const found = this.#literals.get(path)
    if (found !== undefined || this.#captures.size === 0) return found
    this.#router ??= this.#makeRouter()
    const match = this.#router.find('GET', path)
    if (match === null) return undefined
    const params = match.params as Record<string, string>
    return { kind: 'found', target: match.store.target, params }
  }

  #makeRouter(): FindMyWay.Instance<FindMyWay.HTTPVersion.V1> {
    const router = FindMyWay({
      // The length of a target is the listener's to bound.
      maxParamLength: Number.MAX_SAFE_INTEGER,
      // Spares each parameter of each route a check that our one expression passes.
      allowUnsafeRegex: true,
      querystringParser: () => NO_PARAMS,
    })
    for (const capture of this.#captures.values()) {
      router.on('GET', capture.path, noHandler, capture)
    }
    return router
  }
}
