import { expect } from 'vitest'
import type { Manifest } from '../../src/function/manifest.ts'
import { Slot, type SlotLimits } from '../../src/function/slot.ts'
import { FakeClock, settled } from './fake-clock.ts'
import { deploymentOf, FakeExecutor } from './fake-instance.ts'
import { type Watched, watch } from './watch.ts'

export const LIMITS: SlotLimits = {
  loadTimeoutMs: 1_000,
  unloadTimeoutMs: 500,
  queueTimeoutMs: 200,
  maxQueue: 2,
}

/** A slot whose retries come after exactly half of each cap: 50 ms, 100 ms, 200 ms ... */
export function setup(manifest: Partial<Manifest> = {}, limits: Partial<SlotLimits> = {}) {
  const clock = new FakeClock()
  const executor = new FakeExecutor()
  /** What the observer heard, in order. */
  const heard: string[] = []
  const slot = new Slot({
    deployment: deploymentOf('f', manifest),
    load: executor.load,
    limits: { ...LIMITS, ...limits },
    clock,
    observer: {
      loaded: (_, durationMs) => heard.push(`loaded in ${durationMs}`),
      loadFailed: (_, cause, retryInMs) => heard.push(`failed: ${text(cause)}, in ${retryInMs}`),
      unloaded: (_, reason, cause) =>
        heard.push(cause === undefined ? `unloaded: ${reason}` : `${reason}: ${text(cause)}`),
      died: (_, { reason }) => heard.push(`died: ${reason}`),
    },
    random: () => 0,
  })
  return {
    clock,
    executor,
    heard,
    slot,
    /** A request; it is released by `done`. */
    request: () => watch(slot.acquire()),
    done: () => slot.release(clock.now()),
    /** Loads it for a request that is over already. */
    async ready() {
      const request = watch(slot.acquire())
      executor.last.succeed()
      await settled()
      slot.release(clock.now())
      expect(request.value).toBe(executor.last.instance)
      return executor.last.instance!
    },
    /** Loads it for a request that goes on. */
    async serving() {
      watch(slot.acquire())
      executor.last.succeed()
      await settled()
      expect(slot.active).toBe(1)
      return executor.last.instance!
    },
  }
}

/** The message of an error. */
const text = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))

/** Code of the FezzError that refused a request, or how the request fares otherwise. */
export function fate(request: Watched<unknown>): string {
  return request.state === 'rejected'
    ? String((request.error as { code?: string }).code ?? request.error)
    : request.state
}
