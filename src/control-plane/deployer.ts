import { isDeepStrictEqual } from 'node:util'
import { backoffMs } from '../backoff.ts'
import type { Clock, Timer } from '../clock.ts'
import { FezzError } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Deployable, DeploymentTarget } from './deployment-target.ts'
import { Grace } from './grace.ts'

export interface DeployerOptions {
  readonly target: DeploymentTarget
  readonly log: Logger
  readonly clock: Clock
  /** In [0, 1); spreads retries. */
  readonly random: () => number
  /** Called when something has an outcome that was not sent by {@link Deployer.send}: in its own time. */
  readonly onLater: () => void
}

/** What is wanted of one function, and what has become of it. */
interface Tracked {
  readonly id: string
  /** `undefined`: to be removed. */
  wanted: Deployable | undefined
  /** What was last sent; `undefined`: nothing, or the removal. */
  sent: Deployable | undefined
  /** Number of the deploy that it was last sent with: the outcome of an earlier one is of no interest. */
  attempt: number
  failures: number
  isServed: boolean
  /** Deploys of it that have no outcome yet. */
  inFlight: number
  /** Resolves when what is wanted, which has not been sent because of those, has an outcome. */
  waiting: PromiseWithResolvers<void> | undefined
}

/**
 * Of one function. A host may take them one after the other: versions that come faster than they
 * load must not queue up, only the last one matters.
 */
const MAX_IN_FLIGHT = 2

/** Why a deploy has failed: for this function, or for all that were in it. */
interface DeployError {
  readonly error: unknown
  readonly isShared: boolean
}

/**
 * How long a function stays that is placed on other hosts now. Envoy goes on sending its requests here
 * until the new routes are in force there: 50 ms until they are made, 1 s for hosts and clusters to get
 * ready (src/xds/rollout.ts), some for an Envoy or a store that is busy.
 */
const GRACE_MS = 3_000

const RETRY = { firstMs: 1_000, maxMs: 60_000 } as const

/**
 * Brings the functions of a host to what is wanted: sends what is different, all that is due as one
 * deploy, and sends what has failed again, less and less often, until something else is wanted of it.
 */
export class Deployer {
  readonly #options: DeployerOptions
  readonly #tracked = new Map<string, Tracked>()
  readonly #changed = new Set<Tracked>()
  readonly #problems = new Map<string, string>()
  readonly #timers = new Set<Timer>()
  readonly #grace: Grace
  #attempts = 0
  #served = 0
  #isClosed = false

  constructor(options: DeployerOptions) {
    this.#options = options
    const { clock, onLater } = options
    const onOver = (ids: readonly string[]) => void this.#remove(ids).then(onLater)
    this.#grace = new Grace({ clock, graceMs: GRACE_MS, onOver })
  }

  /** How many functions are in force, with those that are about to leave. */
  get served(): number {
    return this.#served
  }

  /**
   * What has failed and is going to be retried: a message by the function's id. Nobody has to mend
   * what is about to leave.
   */
  get problems(): ReadonlyMap<string, string> {
    return new Map([...this.#problems].filter(([id]) => !this.#grace.has(id)))
  }

  /** Notes what is wanted of a function, `undefined`: nothing; {@link send} then sends it. */
  want(id: string, wanted: Deployable | undefined): void {
    this.#grace.delete(id)
    let tracked = this.#tracked.get(id)
    if (tracked === undefined) {
      if (wanted === undefined) return
      tracked = {
        id,
        wanted,
        sent: undefined,
        attempt: 0,
        failures: 0,
        isServed: false,
        inFlight: 0,
        waiting: undefined,
      }
      this.#tracked.set(id, tracked)
    }
    // What is alike stays the same object, so that a retry recognises it.
    tracked.wanted = isDeepStrictEqual(wanted, tracked.sent) ? tracked.sent : wanted
    this.#changed.add(tracked)
  }

  /**
   * Notes that a function is placed on other hosts now. What is in force stays for {@link GRACE_MS}
   * after the next {@link send}, which does not wait for its end: everything that is to be here is.
   */
  leave(id: string): void {
    const tracked = this.#tracked.get(id)
    if (tracked?.isServed && tracked.sent !== undefined) {
      tracked.wanted = tracked.sent
      this.#grace.add(id)
    } else {
      this.want(id, undefined)
    }
  }

  /**
   * Sends what has changed, as one deploy; what waits for a load anyway goes apart, so that the
   * others do not wait for it. Resolves when all has an outcome; never rejects.
   */
  async send(): Promise<void> {
    if (this.#isClosed) return
    const changed = [...this.#changed].filter(({ wanted, sent }) => wanted !== sent)
    this.#forget(this.#changed)
    this.#changed.clear()
    this.#grace.start()
    await this.#send(changed)
  }

  /** Sends nothing any more, and takes no interest in what is on its way. Idempotent. */
  close(): void {
    this.#isClosed = true
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
    this.#grace.close()
  }

  async #send(changed: readonly Tracked[]): Promise<void> {
    for (const tracked of changed) tracked.failures = 0
    const idle = changed.filter(({ inFlight }) => inFlight === 0)
    const busy = changed.filter(({ inFlight }) => inFlight > 0 && inFlight < MAX_IN_FLIGHT)
    const full = changed.filter(({ inFlight }) => inFlight >= MAX_IN_FLIGHT)
    for (const tracked of full) tracked.waiting ??= Promise.withResolvers()
    await Promise.all([
      this.#deploy(idle),
      this.#deploy(busy),
      ...full.map(tracked => tracked.waiting?.promise),
    ])
  }

  /** Alone: what {@link want} has noted meanwhile may be half of a change. */
  #remove(ids: readonly string[]): Promise<void> {
    const all = ids.map(id => this.#tracked.get(id)).filter(tracked => tracked !== undefined)
    for (const tracked of all) tracked.wanted = undefined
    return this.#send(all)
  }

  async #deploy(all: readonly Tracked[]): Promise<void> {
    if (this.#isClosed || all.length === 0) return
    const attempt = ++this.#attempts
    const set: Deployable[] = []
    const remove: string[] = []
    for (const tracked of all) {
      tracked.attempt = attempt
      tracked.inFlight++
      tracked.sent = tracked.wanted
      if (tracked.wanted === undefined) remove.push(tracked.id)
      else set.push(tracked.wanted)
    }
    const errors = await this.#errorsOf({ set, remove })
    for (const tracked of all) tracked.inFlight--
    if (this.#isClosed) return
    const current = all.filter(tracked => tracked.attempt === attempt)
    for (const tracked of current) {
      const error = errors.get(tracked.id)
      if (error === undefined) this.#succeeded(tracked)
      else this.#failed(tracked, error)
    }
    this.#retryLater(
      current.filter(({ id }) => errors.has(id)),
      attempt,
    )
    this.#forget(all)
    this.#sendWaiting(all.filter(({ waiting }) => waiting !== undefined))
  }

  #forget(all: Iterable<Tracked>): void {
    for (const tracked of all) if (isNothing(tracked)) this.#tracked.delete(tracked.id)
  }

  #sendWaiting(all: readonly Tracked[]): void {
    if (all.length === 0) return
    const waiting = all.map(tracked => tracked.waiting)
    for (const tracked of all) tracked.waiting = undefined
    const changed = all.filter(({ wanted, sent }) => wanted !== sent)
    for (const tracked of changed) tracked.failures = 0
    this.#deploy(changed).then(() => {
      for (const one of waiting) one?.resolve()
    })
  }

  async #errorsOf(change: {
    readonly set: readonly Deployable[]
    readonly remove: readonly string[]
  }): Promise<ReadonlyMap<string, DeployError>> {
    const { target } = this.#options
    try {
      const failures = await target.deploy(change)
      return new Map(failures.map(({ id, error }) => [id, { error, isShared: false }]))
    } catch (error) {
      const ids = [...change.set.map(({ manifest }) => manifest.id), ...change.remove]
      if (!this.#isClosed) {
        const functions = ids.length
        this.#options.log.error({ err: error, functions }, 'a change failed as a whole; retrying')
      }
      return new Map(ids.map(id => [id, { error, isShared: true }]))
    }
  }

  #succeeded(tracked: Tracked): void {
    if (tracked.failures > 0) {
      const { id: functionId, failures } = tracked
      this.#options.log.info({ functionId, failures }, 'in force at last')
    }
    tracked.failures = 0
    this.#problems.delete(tracked.id)
    this.#served += Number(tracked.sent !== undefined) - Number(tracked.isServed)
    tracked.isServed = tracked.sent !== undefined
  }

  #failed(tracked: Tracked, { error, isShared }: DeployError): void {
    const { id: functionId, sent } = tracked
    this.#problems.set(functionId, messageOf(error))
    if (++tracked.failures > 1 || isShared) return
    const what = sent === undefined ? 'the removal' : `version ${sent.manifest.version}`
    this.#options.log.warn(
      { functionId, err: error },
      `${what} could not be put in force; ${tracked.isServed ? 'the one before goes on, and ' : ''}it is retried`,
    )
  }

  /** Those that have failed equally often wait together, so that they need one deploy again. */
  #retryLater(failed: readonly Tracked[], attempt: number): void {
    for (const [failures, group] of Map.groupBy(failed, tracked => tracked.failures)) {
      const waitMs = backoffMs(failures - 1, RETRY, this.#options.random)
      const timer = this.#options.clock.setTimer(() => {
        this.#timers.delete(timer)
        const due = group.filter(one => one.attempt === attempt && one.wanted === one.sent)
        if (due.length > 0) this.#deploy(due).then(this.#options.onLater)
      }, waitMs)
      this.#timers.add(timer)
    }
  }
}

/** Whether nothing is wanted of it any more, and that is so. */
function isNothing({ wanted, sent, isServed, failures, inFlight }: Tracked): boolean {
  const isGone = wanted === undefined && sent === undefined && !isServed
  return isGone && failures === 0 && inFlight === 0
}

/** Only Fezz's own messages are sure to hold no secret; the cause is in the log. */
function messageOf(error: unknown): string {
  if (error instanceof FezzError) {
    const { message, cause } = error
    return cause instanceof FezzError ? `${message}: ${cause.message}` : message
  }
  return 'it could not be put in force; the log of the host says why'
}
