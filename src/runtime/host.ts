import { type Clock, systemClock } from '../clock.ts'
import { FezzError } from '../errors.ts'
import type { InstanceSource } from '../executors/executor.ts'
import { PooledSource } from '../executors/instance-pool/pooled-source.ts'
import type { Deployment, Instance } from '../function/contract.ts'
import { Registry } from '../function/registry.ts'
import { problemResponse } from '../http/problem.ts'
import { requestIds } from '../http/request-id.ts'
import {
  abortRequest,
  type IncomingRequest,
  isIncoming,
  pathOf,
  sourceOf,
  toIncoming,
} from '../http/web/incoming-request.ts'
import { claimResponse, isStreaming, onBodySettled, setHeader } from '../http/web/outgoing.ts'
import type { FastResponse } from '../http/web/response.ts'
import type { RouteMethodNotAllowed, RouteNotFound } from '../routing/route-table.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { Admission } from './admission.ts'
import type { HostConfig } from './config.ts'
import { Deadlines } from './deadlines.ts'
import { type DeploymentChange, type DeploymentFailure, Deployments } from './deployments.ts'
import { discard, failureOf, isThenable } from './function-result.ts'
import { heapPressure } from './heap-pressure.ts'
import { Invocation, InvocationContext } from './invocation.ts'
import { lifecycleObserver } from './lifecycle-observer.ts'
import {
  type HostStatus,
  type HostTotals,
  type Readiness,
  SystemEndpoints,
} from './system-endpoints.ts'

export interface HostOptions {
  readonly config: HostConfig
  readonly log: Logger
  readonly metrics: Metrics
  readonly executor: InstanceSource
  /** Default: the machine's. */
  readonly clock?: Clock
  /** What `/_metrics` answers. Default: what this host has counted. */
  readonly totals?: HostTotals | undefined
  /** Called when a function is given a request and when it has answered. */
  readonly onProgress?: (() => void) | undefined
}

const UNDERSCORE = 0x5f
/** For executors to remove what they keep, such as containers that sleep. */
const CLOSE_GRACE_MS = 20_000
const LOAD_FAILURES: ReadonlySet<string> = new Set(['FUNCTION_LOAD_FAILED', 'ARTIFACT_UNAVAILABLE'])

/**
 * The whole product as one function: {@link fetch} routes a request, loads what it needs, runs it,
 * and answers. No socket is involved; a listener is a thin shell around it.
 */
export class Host implements AsyncDisposable {
  readonly #log: Logger
  readonly #metrics: Metrics
  readonly #source: InstanceSource
  readonly #clock: Clock
  readonly #registry: Registry
  readonly #deployments: Deployments
  readonly #deadlines: Deadlines<Invocation>
  readonly #system: SystemEndpoints
  readonly #requestId = requestIds()
  readonly #logsRequests: boolean
  readonly #admission: Admission
  readonly #onProgress: (() => void) | undefined
  #closing: Promise<void> | undefined

  constructor(options: HostOptions) {
    const { config, log, metrics, executor, clock = systemClock, totals } = options
    this.#log = log
    this.#metrics = metrics
    this.#clock = clock
    this.#source = new PooledSource(executor, {
      ...config,
      clock,
      log,
      onDeath: (id, { reason }) => metrics.forFunction(id).recordUnload(reason),
    })
    this.#registry = new Registry({
      load: deployment => this.#source.load(deployment),
      prepare: deployment => this.#source.prepare(deployment),
      forget: deployment => this.#forget(deployment),
      clock,
      observer: lifecycleObserver(metrics, log),
      limits: config,
      idleTtlMs: config.idleTtlMs,
      maxLoaded: config.maxLoaded,
      heapPressure: heapPressure(config.maxHeap),
    })
    this.#deployments = new Deployments({
      registry: this.#registry,
      limits: config,
      metrics,
      log,
      clock,
    })
    this.#admission = new Admission(config.maxInFlight)
    this.#deadlines = new Deadlines(clock, invocation => this.#expire(invocation))
    this.#system = new SystemEndpoints({
      config,
      metrics,
      registry: this.#registry,
      ...(totals !== undefined && { totals }),
    })
    metrics.observe({
      functionStates: () => this.#registry.states(),
      routes: () => this.#deployments.table.size,
    })
    this.#logsRequests = log.isLevelEnabled('debug')
    this.#onProgress = options.onProgress
  }

  /** Requests that have not been answered completely. */
  get inFlight(): number {
    return this.#admission.inFlight
  }

  /** What is served now. */
  get deployments(): Deployments {
    return this.#deployments
  }

  /** Makes `change` take over as a whole; see {@link Deployments.apply}. */
  deploy(change: DeploymentChange): Promise<readonly DeploymentFailure[]> {
    return this.#deployments.apply(change)
  }

  /** Unloads every instance that nothing uses now; each loads again at its next request. */
  unloadUnused(): Promise<void> {
    return this.#registry.unloadUnused()
  }

  /**
   * Whether proxies should send requests, as `/_health` says it. All that come are served; while it
   * is `starting`, what has no route is answered by 503 instead of 404, for the route may be on its
   * way.
   */
  get readiness(): Readiness {
    return this.#system.readiness
  }

  set readiness(readiness: Readiness) {
    this.#system.readiness = readiness
  }

  /** Adds a section to the JSON form of `/_metrics`. */
  describe(section: string, tell: () => unknown): void {
    this.#system.sections.set(section, tell)
  }

  /** What this host alone tells in the JSON form of `/_metrics`. */
  status(): HostStatus {
    return this.#system.status()
  }

  /** Unloads every function after its last use, then closes the executor. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Makes a {@link close} under way unload even the functions in use. */
  expel(): void {
    this.#registry.expel()
  }

  async #close(): Promise<void> {
    await this.#registry.close()
    // Each instance has had its unloadTimeout by now; what an engine does not do in time stays behind.
    const { promise: givenUp, resolve: giveUp } = Promise.withResolvers<void>()
    const timer = this.#clock.setTimer(giveUp, CLOSE_GRACE_MS)
    await Promise.race([this.#source.close(), givenUp])
    timer.cancel()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #forget(deployment: Deployment): void {
    this.#source.forget(deployment).catch(err => {
      const { id: functionId, version } = deployment.manifest
      this.#log.warn({ functionId, version, err }, 'what was kept for its loads has not all gone')
    })
  }

  /**
   * Answers `request`; synchronously when the function is loaded and answers so. Never throws and
   * never rejects: a failure is a problem response (RFC 9457).
   */
  fetch(input: Request): Response | Promise<Response> {
    return isIncoming(input) ? this.#route(input) : this.#fetchPlatform(input)
  }

  #fetchPlatform(input: Request): Response | Promise<Response> {
    let request: IncomingRequest
    try {
      request = toIncoming(input)
    } catch (cause) {
      const error = new FezzError('BAD_REQUEST', 'the request cannot be served', { cause })
      return this.#refuse(error, this.#requestId(undefined))
    }
    return this.#route(request)
  }

  #route(request: IncomingRequest): Response | Promise<Response> {
    const startedMs = this.#clock.now()
    const requestId = this.#requestId(sourceOf(request).requestId)
    const path = pathOf(request)
    if (path.charCodeAt(1) === UNDERSCORE) {
      const answer = this.#system.answer(path, request, requestId)
      if (answer !== undefined) {
        this.#logRequest(this.#log, request, { requestId })
        return answer
      }
    }
    const found = this.#deployments.table.find(path, request.method, sourceOf(request).authority)
    if (found.kind !== 'found') return this.#refuse(this.#unroutable(found), requestId, request)
    const { target: hosted, params } = found
    const refusal = this.#admission.admit(hosted, startedMs)
    if (refusal !== undefined) {
      hosted.metrics.recordError(refusal.code)
      return this.#refuse(refusal, requestId, request)
    }

    const invocation = new Invocation(hosted, request, params, requestId, startedMs)
    const instance = hosted.slot.tryAcquire()
    if (instance === undefined) return this.#wait(invocation)
    const result = this.#invoke(invocation, instance)
    return result instanceof Promise ? this.#settle(invocation, result) : result
  }

  /** Calls the function and, if it answers at once, completes the invocation. */
  #invoke(invocation: Invocation, instance: Instance): Response | Promise<unknown> {
    this.#onProgress?.()
    invocation.acquired = true
    let result: unknown
    try {
      result = instance.fetch(invocation.request, new InvocationContext(invocation))
      // Asking for `then` may run code of the function too.
      if (isThenable(result)) return Promise.resolve(result)
    } catch (error) {
      return this.#finishFailed(invocation, error)
    }
    return this.#finish(invocation, result)
  }

  /** Answers when `result` settles or the deadline passes, whichever comes first. */
  #settle(invocation: Invocation, result: Promise<unknown>): Promise<Response> {
    return new Promise(resolve => {
      this.#await(invocation, resolve)
      this.#complete(invocation, result)
    })
  }

  /** Answers when the function could be loaded and called, or the deadline passes. */
  #wait(invocation: Invocation): Promise<Response> {
    return new Promise(resolve => {
      this.#await(invocation, resolve)
      const { slot } = invocation.hosted
      slot.acquire().then(
        instance => {
          if (invocation.resolve === undefined) return slot.release(this.#clock.now())
          const result = this.#invoke(invocation, instance)
          if (result instanceof Promise) this.#complete(invocation, result)
          else this.#end(invocation, result)
        },
        error => {
          if (invocation.resolve !== undefined) this.#end(invocation, this.#fail(invocation, error))
        },
      )
    })
  }

  #complete(invocation: Invocation, result: Promise<unknown>): void {
    result.then(
      value => {
        if (invocation.resolve === undefined) discard(value)
        else this.#end(invocation, this.#finish(invocation, value))
      },
      error => {
        if (invocation.resolve === undefined) return
        this.#end(invocation, this.#finishFailed(invocation, error))
      },
    )
  }

  #await(invocation: Invocation, resolve: (response: Response) => void): void {
    invocation.resolve = resolve
    this.#deadlines.set(invocation, invocation.hosted.timeoutMs, invocation.startedMs)
  }

  #end(invocation: Invocation, response: Response): void {
    const { resolve } = invocation
    this.#deadlines.clear(invocation)
    invocation.resolve = undefined
    resolve?.(response)
  }

  #expire(invocation: Invocation): void {
    const { id, timeoutMs } = invocation.hosted
    const message = `function "${id}" did not answer within ${timeoutMs} ms`
    this.#end(invocation, this.#fail(invocation, new FezzError('FUNCTION_TIMEOUT', message)))
    abortRequest(invocation.request, new DOMException(message, 'TimeoutError'))
  }

  #finish(invocation: Invocation, value: unknown): Response {
    let response: FastResponse
    try {
      response = claimResponse(value)
      setHeader(response, 'x-request-id', invocation.requestId)
    } catch (error) {
      return this.#finishFailed(invocation, error)
    }
    return this.#answer(invocation, response)
  }

  /** The function has thrown, rejected, or returned what cannot be sent. */
  #finishFailed(invocation: Invocation, cause: unknown): Response {
    const error = failureOf(cause, invocation.hosted, invocation.request)
    try {
      return this.#fail(invocation, error)
    } catch (unsendable) {
      if (error !== cause) throw unsendable
      // Its own error has headers that cannot be sent.
      return this.#finishFailed(invocation, unsendable)
    }
  }

  #fail(invocation: Invocation, error: FezzError): Response {
    const { hosted, requestId } = invocation
    const response = problemResponse(error, requestId)
    hosted.metrics.recordError(error.code)
    const fields = { requestId, code: error.code, err: error.cause ?? error }
    // A load that failed has been reported once; those who asked meanwhile add nothing.
    const isNews = error.status >= 500 && !LOAD_FAILURES.has(error.code)
    if (isNews) hosted.log.error(fields, error.message)
    else hosted.log.debug(fields, error.message)
    return this.#answer(invocation, response)
  }

  /** Ends the invocation's bookkeeping with the answer it gets. */
  #answer(invocation: Invocation, response: FastResponse): Response {
    this.#onProgress?.()
    const { hosted, request, requestId, startedMs } = invocation
    const nowMs = this.#clock.now()
    hosted.metrics.recordRequest(response.status, nowMs - startedMs)
    if (this.#logsRequests) {
      const durationMs = Math.round((nowMs - startedMs) * 1000) / 1000
      this.#logRequest(hosted.log, request, { requestId, status: response.status, durationMs })
    }
    // What is in memory needs the function no longer; a stream is still being made by it.
    if (isStreaming(response)) onBodySettled(response, () => this.#release(invocation))
    else this.#release(invocation, nowMs)
    return response
  }

  #release(invocation: Invocation, nowMs = this.#clock.now()): void {
    this.#admission.release(invocation.hosted)
    if (invocation.acquired) invocation.hosted.slot.release(nowMs)
  }

  /** The line at debug that each request has. The query stays out of it: it may hold secrets. */
  #logRequest(log: Logger, request: IncomingRequest | undefined, fields: object): void {
    if (!this.#logsRequests) return
    const what = request && { method: request.method, path: pathOf(request) }
    log.debug({ ...what, ...fields }, 'request')
  }

  #unroutable(found: RouteNotFound | RouteMethodNotAllowed): FezzError {
    if (this.readiness === 'starting') {
      return new FezzError('STARTING', 'the host does not know its functions yet', {
        headers: { 'retry-after': '1' },
      })
    }
    if (found.kind === 'not-found') {
      return new FezzError('NOT_FOUND', 'no function answers this path')
    }
    return new FezzError('METHOD_NOT_ALLOWED', 'no function answers this method on this path', {
      headers: { allow: found.allow.join(', ') },
    })
  }

  /** Answers a request that reaches no function. */
  #refuse(error: FezzError, requestId: string, request?: IncomingRequest): Response {
    const { code, status } = error
    this.#metrics.recordRejected(code)
    this.#logRequest(this.#log, request, { requestId, code, status })
    return problemResponse(error, requestId)
  }
}
