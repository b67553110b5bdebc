import type { Clock } from './clock.ts'

/** Bounds of a wait that grows, in milliseconds. */
export interface BackoffLimits {
  readonly firstMs: number
  readonly maxMs: number
}

/**
 * How long to wait before attempt `failures + 1`: doubles from `firstMs` up to `maxMs`, and is then
 * shortened by up to a half, so that many who failed together do not come back together.
 */
export function backoffMs(
  failures: number,
  { firstMs, maxMs }: BackoffLimits,
  random: () => number,
): number {
  return Math.min(firstMs * 2 ** failures, maxMs) * (0.5 + random() / 2)
}

/** Resolves after `delayMs`, or as soon as `signal` aborts; never rejects. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted || delayMs <= 0) return Promise.resolve()
  return new Promise(resolve => {
    const end = () => {
      timer.cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = clock.setTimer(end, delayMs)
    signal.addEventListener('abort', end)
  })
}

/** What `promise` becomes, unless `signal` aborts first. @throws the signal's reason */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
