import type { Deployment } from '../function/contract.ts'
import { manifestFor } from '../function/declared.ts'
import type { ManifestInput } from '../function/manifest.ts'
import type { ListenerAddress } from '../http/listener.ts'
import { HostServer } from './host-server.ts'

export interface RegisterOptions extends Partial<ManifestInput> {
  /**
   * Which Request the function gets. `platform` (the default) is the global class, so that
   * `new Request(request)` and `fetch(request)` of your own module work. `fezz` is the host's faster
   * one: for code that imports `Request`, `Response` and `fetch` from `fezz`.
   */
  webTypes?: 'platform' | 'fezz'
}

/**
 * HHRF, the Host HTTP Runtime, for programs that bring functions of their own.
 *
 * @example
 * ```ts
 * const server = new HhrfServer({ port: 8080 }).register(Hello)
 * await server.run()
 * ```
 */
export class HhrfServer extends HostServer {
  readonly #pending: Deployment[] = []
  #applied: Promise<void> = Promise.resolve()
  /** The first registrations, while they are on their way: there is nothing to serve before them. */
  #first: Promise<void> | undefined

  /**
   * Adds a function of this program, or replaces the one with its id without losing a request.
   * {@link ready} tells when it is in force.
   *
   * @param value a class with `@FezzFunction`, a Workers module, a Hono app, a plain function
   * @param options overlay what the decorator declares
   * @throws FezzError `INVALID_MANIFEST`
   */
  register(value: unknown, options: RegisterOptions = {}): this {
    const { webTypes = 'platform', ...declared } = options
    const manifest = manifestFor(value, declared)
    const code = { kind: 'live', value, webTypes } as const
    const deployment = this.deploymentOf({ manifest, code })
    const refusal = this.refusalOf(deployment)
    if (refusal !== undefined) throw refusal
    this.#pending.push(deployment)
    if (this.#pending.length === 1) {
      this.#applied = this.#applied.catch(() => {}).then(() => this.#applyPending())
      const applied = this.#applied.catch(() => {})
      if (this.host.deployments.functions.size === 0) {
        this.#first ??= applied.then(() => {
          this.#first = undefined
        })
      }
    }
    return this
  }

  /**
   * Resolves when everything registered so far is in force.
   *
   * @throws the error of a function that could not take over
   */
  ready(): Promise<void> {
    return this.#applied
  }

  /**
   * Answers a request without a socket, as the listener would. Waits for what was registered first;
   * for what comes later, {@link ready} does.
   */
  override fetch(request: Request): Response | Promise<Response> {
    if (this.#first !== undefined) return this.#first.then(() => this.host.fetch(request))
    return this.host.fetch(request)
  }

  /** Opens the port when everything registered so far is in force. Joined when called again. */
  override async listen(): Promise<ListenerAddress> {
    await this.ready()
    return super.listen()
  }

  async #applyPending(): Promise<void> {
    const set = this.#pending.splice(0)
    const [failure] = await this.host.deploy({ set })
    if (failure !== undefined) {
      this.log.error({ functionId: failure.id, err: failure.error }, 'the new version was refused')
      throw failure.error
    }
  }
}
