import type { FezzErrorCode } from '../errors.ts'
import { EventLoopDelay } from './event-loop-delay.ts'
import { byLabel, family, functionFamilies, processFamilies } from './families.ts'
import { FunctionMetrics } from './function-metrics.ts'
import { type Exposition, type Family, renderFamilies } from './prometheus.ts'

export type { FunctionMetrics } from './function-metrics.ts'

/** What is known elsewhere in the host, asked for at each scrape. */
export interface MetricsSource {
  /** Functions by state, each state listed. */
  functionStates(): Readonly<Record<string, number>>
  /** Entries of the route table. */
  routes(): number
}

/** Everything one host counts, rendered for Prometheus. */
export class Metrics implements Disposable {
  readonly #functions = new Map<string, FunctionMetrics>()
  readonly #rejected = new Map<FezzErrorCode, number>()
  readonly #delay = new EventLoopDelay()
  readonly #version: string
  readonly #parts: (() => Iterable<Family>)[] = []
  #source: MetricsSource | undefined

  /** @param version version of Fezz, told in `fezz_build_info` */
  constructor(version: string) {
    this.#version = version
  }

  /** The recorders of one function: made at the first call, the same ones from then on. */
  forFunction(functionId: string): FunctionMetrics {
    let metrics = this.#functions.get(functionId)
    if (!metrics) {
      metrics = new FunctionMetrics(functionId)
      this.#functions.set(functionId, metrics)
    }
    return metrics
  }

  /** Forgets a function that has left the host for good. */
  removeFunction(functionId: string): void {
    this.#functions.delete(functionId)
  }

  /** Counts a request refused before any function had it: malformed, no route, wrong method. */
  recordRejected(code: FezzErrorCode): void {
    this.#rejected.set(code, (this.#rejected.get(code) ?? 0) + 1)
  }

  /** Names the one that knows the gauges; until then they are left out. */
  observe(source: MetricsSource): void {
    this.#source = source
  }

  /** Adds the families of a part of the host that not every host has; asked for at each scrape. */
  add(families: () => Iterable<Family>): void {
    this.#parts.push(families)
  }

  /** The Prometheus text exposition of it all. Gives way to requests while it works. */
  render(): Promise<Exposition> {
    return renderFamilies(this.families())
  }

  /** All of it, to be asked for samples once: some count since they were asked last. */
  families(): Family[] {
    const source = this.#source
    return [
      ...functionFamilies(this.#functions),
      family('counter', 'fezz_requests_rejected_total', 'Requests no function had, by code.', () =>
        byLabel('code', this.#rejected),
      ),
      ...(source
        ? [
            family('gauge', 'fezz_functions', 'Functions by state.', () =>
              byLabel('state', Object.entries(source.functionStates())),
            ),
            family(
              'gauge',
              'fezz_routes',
              'Entries of the route table.',
              () => [{ value: source.routes() }],
              'max',
            ),
          ]
        : []),
      family(
        'summary',
        'fezz_event_loop_delay_seconds',
        'How late the event loop runs; quantiles since the last scrape, 1 being the longest.',
        name => this.#delay.takeSamples(name),
      ),
      family(
        'gauge',
        'fezz_build_info',
        'Version of Fezz and of Node.',
        () => [{ labels: { version: this.#version, node: process.version }, value: 1 }],
        'max',
      ),
      ...processFamilies(),
      ...this.#parts.flatMap(families => [...families()]),
    ]
  }

  /** Stops sampling the event loop. Idempotent. */
  close(): void {
    this.#delay.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
