import {
  setImmediate as immediatePromise,
  setTimeout as timeoutPromise,
} from 'node:timers/promises'
import { promisify } from 'node:util'

/** The timer functions that a module gets in place of the global ones. */
export interface ScopedTimers {
  readonly setTimeout: typeof setTimeout
  readonly setInterval: typeof setInterval
  readonly setImmediate: typeof setImmediate
  readonly clearTimeout: typeof clearTimeout
  readonly clearInterval: typeof clearInterval
  readonly clearImmediate: typeof clearImmediate
  /** Clears what is pending; what is set afterwards never fires. Idempotent. */
  dispose(): void
}

type Callback = (...args: unknown[]) => unknown
type Pending = NodeJS.Timeout | NodeJS.Immediate

/**
 * Timers that end with the module that set them: what is left running would keep an unloaded
 * function in memory, and at work. They return the platform's own objects.
 */
export function createTimers(): ScopedTimers {
  const pending = new Set<Pending>()
  let disposed = false

  /** Once it has fired, a one-shot timer is let go of. */
  const tracked = (callback: Callback, repeats: boolean) =>
    function (this: Pending, ...args: unknown[]): unknown {
      if (!repeats) pending.delete(this)
      // A timer that has fired is no longer known, but its refresh() sets it again.
      return disposed ? undefined : Reflect.apply(callback, this, args)
    }

  const scoped =
    (set: (callback: Callback, ...rest: never[]) => Pending, repeats: boolean) =>
    (callback: Callback, ...rest: never[]): Pending => {
      // The platform has the right error for it.
      if (typeof callback !== 'function') return set(callback, ...rest)
      const timer = set(tracked(callback, repeats), ...rest)
      if (disposed) end(timer)
      else pending.add(Object.assign(timer, ends))
      return timer
    }

  const endTimeout = (timer: unknown): void => {
    if (typeof timer === 'number' || typeof timer === 'string') {
      for (const other of pending) {
        if (isTimeout(other) && String(+other) === String(timer)) pending.delete(other)
      }
    } else {
      pending.delete(timer as Pending)
    }
    clearTimeout(timer as NodeJS.Timeout)
  }

  const endImmediate = (immediate: unknown): void => {
    pending.delete(immediate as Pending)
    clearImmediate(immediate as NodeJS.Immediate)
  }

  const end = (timer: Pending): void => (isTimeout(timer) ? endTimeout : endImmediate)(timer)

  /** A timer's own ways to end: the platform's would leave it in `pending`, with what it holds. */
  const ends = {
    close(this: Pending): Pending {
      end(this)
      return this
    },
    [Symbol.dispose](this: Pending): void {
      end(this)
    },
  }

  const scopedTimeout = scoped(setTimeout as never, false)
  const scopedImmediate = scoped(setImmediate as never, false)
  // util.promisify and await of it: never settles when the module is gone, as its timer is cleared.
  Object.assign(scopedTimeout, {
    [promisify.custom]: (delayMs?: number, value?: unknown, options?: object) =>
      options === undefined
        ? new Promise(settle => scopedTimeout(settle, delayMs as never, value as never))
        : timeoutPromise(delayMs, value, options),
  })
  Object.assign(scopedImmediate, {
    [promisify.custom]: (value?: unknown, options?: object) =>
      options === undefined
        ? new Promise(settle => scopedImmediate(settle, value as never))
        : immediatePromise(value, options),
  })

  return {
    setTimeout: scopedTimeout as typeof setTimeout,
    setInterval: scoped(setInterval as never, true) as typeof setInterval,
    setImmediate: scopedImmediate as unknown as typeof setImmediate,
    clearTimeout: endTimeout as typeof clearTimeout,
    clearInterval: endTimeout as typeof clearInterval,
    clearImmediate: endImmediate as typeof clearImmediate,
    dispose() {
      disposed = true
      for (const timer of pending) end(timer)
    },
  }
}

function isTimeout(timer: Pending): timer is NodeJS.Timeout {
  return 'refresh' in timer
}
