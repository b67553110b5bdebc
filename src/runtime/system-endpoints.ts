import type { Manifest } from '../function/manifest.ts'
import type { Registry } from '../function/registry.ts'
import type { SlotState } from '../function/slot.ts'
import { headerOf, type IncomingRequest } from '../http/web/incoming-request.ts'
import { setHeader } from '../http/web/outgoing.ts'
import { FastResponse } from '../http/web/response.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Exposition } from '../telemetry/prometheus.ts'
import type { HostConfig } from './config.ts'

/** The paths that the host keeps for itself; no function can have them. */
export function systemPaths(config: SystemConfig): readonly string[] {
  return [
    ...(config.enableHealth ? ['/_health'] : []),
    ...(config.enableMetrics ? ['/_metrics'] : []),
  ]
}

type SystemConfig = Pick<HostConfig, 'enableHealth' | 'enableMetrics'>

/** Whether requests should come: not yet, now, no more. */
export type Readiness = 'starting' | 'ready' | 'draining'

/** A function as the JSON form of `/_metrics` tells of it. */
export interface FunctionStatus {
  readonly name: string
  readonly version: string
  readonly state: SlotState
  readonly inFlight: number
  readonly routes: Manifest['routes']
}

/** The JSON form of `/_metrics`: plain data. */
export interface HostStatus {
  /** One entry per function, replaced ones that still drain included. */
  readonly functions: readonly FunctionStatus[]
  readonly [section: string]: unknown
}

/**
 * What all processes that serve a port together have counted. `undefined` when nobody adds up any
 * more: then each answers for itself.
 */
export interface HostTotals {
  exposition(): Promise<Exposition | undefined>
  status(): Promise<HostStatus | undefined>
}

export interface SystemEndpointsOptions {
  readonly config: SystemConfig
  readonly metrics: Metrics
  readonly registry: Registry
  /** What `/_metrics` answers. Default: what this process has counted. */
  readonly totals?: HostTotals
}

/** `/_health` and `/_metrics`: answered by the host itself, before routing. */
export class SystemEndpoints {
  /** Unless it is ready `/_health` fails, so that whoever balances load looks elsewhere. */
  readiness: Readiness = 'ready'
  /** What the JSON form of `/_metrics` tells beside the functions, by name. */
  readonly sections = new Map<string, () => unknown>()
  readonly #options: SystemEndpointsOptions
  readonly #paths: ReadonlySet<string>

  constructor(options: SystemEndpointsOptions) {
    this.#options = options
    this.#paths = new Set(systemPaths(options.config))
  }

  /** The answer to a system path; `undefined` for every other. */
  answer(
    path: string,
    request: IncomingRequest,
    requestId: string,
  ): Response | Promise<Response> | undefined {
    if (!this.#paths.has(path)) return undefined
    if (request.method !== 'GET' && request.method !== 'HEAD') return undefined
    const answer = path === '/_health' ? this.#health() : this.#metrics(request)
    if (answer instanceof Promise) return answer.then(response => identified(response, requestId))
    return identified(answer, requestId)
  }

  #health(): FastResponse {
    const { readiness } = this
    return readiness === 'ready'
      ? new FastResponse('OK')
      : new FastResponse(readiness, { status: 503 })
  }

  async #metrics(request: IncomingRequest): Promise<FastResponse> {
    const { metrics, totals } = this.#options
    if (headerOf(request, 'accept')?.includes('application/json')) {
      return FastResponse.json((await totals?.status()) ?? this.status())
    }
    const { contentType, body } = (await totals?.exposition()) ?? (await metrics.render())
    return new FastResponse(ReadableStream.from(body), { headers: { 'content-type': contentType } })
  }

  /** The registry in fezz.md's form, and the sections. */
  status(): HostStatus {
    const { registry } = this.#options
    const functions = [...registry.current(), ...registry.leaving()].map(slot => ({
      name: slot.id,
      version: slot.version,
      state: slot.state,
      inFlight: slot.active,
      routes: slot.deployment.manifest.routes,
    }))
    const sections = Array.from(this.sections, ([name, tell]) => [name, tell()])
    return { functions, ...Object.fromEntries(sections) }
  }
}

function identified(response: FastResponse, requestId: string): Response {
  setHeader(response, 'x-request-id', requestId)
  return response
}
