import type { Clock } from '../../clock.ts'
import type { Deployment } from '../../function/contract.ts'

/** The port of this machine that every instance of a deployment in a process serves on, if it names one. */
export function portOf({
  manifest,
  code,
}: Pick<Deployment, 'manifest' | 'code'>): number | undefined {
  const { handlerPort, network = true } = manifest.execution
  const isServer = code.kind === 'program' && code.protocol === 'http'
  return isServer && network ? handlerPort : undefined
}

/** Ports of this machine that functions name themselves: each is one instance's at a time. */
export class FixedPorts {
  /** Of each port in use: settles when the last one that has asked for it is done with it. */
  readonly #free = new Map<number, Promise<void>>()
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Waits until whoever had the port before has ended.
   *
   * @returns what gives it to the next one; idempotent. `undefined` when it was not free in time
   */
  async take(port: number, timeoutMs: number): Promise<(() => void) | undefined> {
    const before = this.#free.get(port)
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    const free = (before ?? Promise.resolve()).then(() => released)
    this.#free.set(port, free)
    void free.then(() => {
      if (this.#free.get(port) === free) this.#free.delete(port)
    })
    if (before === undefined || (await this.#settles(before, timeoutMs))) return release
    release()
    return undefined
  }

  async #settles(promise: Promise<void>, timeoutMs: number): Promise<boolean> {
    const { promise: late, resolve } = Promise.withResolvers<boolean>()
    const timer = this.#clock.setTimer(() => resolve(false), timeoutMs)
    try {
      return await Promise.race([promise.then(() => true), late])
    } finally {
      timer.cancel()
    }
  }
}
