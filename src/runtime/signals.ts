import { functionOfCurrentScope } from '../executors/in-process/function-scope.ts'
import type { Logger } from '../telemetry/logger.ts'

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/** Makes the process end as a server should: the first signal calls `drain`, the second ends it now. */
export function onSignals(log: Logger, drain: () => Promise<void>): Disposable {
  let draining = false
  const onSignal = (signal: NodeJS.Signals) => {
    if (draining) {
      log.warn({ signal }, 'second signal: ending now')
      process.exit(1)
    }
    draining = true
    log.info({ signal }, 'signal received')
    drain().catch(err => log.error({ err }, 'drain failed'))
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  return {
    [Symbol.dispose]() {
      for (const signal of SIGNALS) process.off(signal, onSignal)
    },
  }
}

/**
 * Errors that no code can catch any more are logged with the function they come from and do not end
 * the process: one function must not take the others down.
 */
export function onUncaught(log: Logger): Disposable {
  const onException = (err: unknown) => {
    log.error({ ...functionOfCurrentScope(), err }, 'uncaught exception')
  }
  const onRejection = (err: unknown) => {
    log.error({ ...functionOfCurrentScope(), err }, 'unhandled rejection')
  }
  process.on('uncaughtException', onException)
  process.on('unhandledRejection', onRejection)
  return {
    [Symbol.dispose]() {
      process.off('uncaughtException', onException)
      process.off('unhandledRejection', onRejection)
    },
  }
}
