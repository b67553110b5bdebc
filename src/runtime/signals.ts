import { functionOfCurrentScope } from '../executors/in-process/function-scope.ts'
import type { Logger } from '../telemetry/logger.ts'

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/**
 * Makes the process end as a server should: the first signal calls `drain`, the second ends it now.
 * Errors that no code can catch any more are logged with the function they come from and do not end
 * it: one function must not take the others down. Disposing it undoes both.
 */
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
  const onException = (err: unknown) => {
    log.error({ ...functionOfCurrentScope(), err }, 'uncaught exception')
  }
  const onRejection = (err: unknown) => {
    log.error({ ...functionOfCurrentScope(), err }, 'unhandled rejection')
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  process.on('uncaughtException', onException)
  process.on('unhandledRejection', onRejection)
  return {
    [Symbol.dispose]() {
      for (const signal of SIGNALS) process.off(signal, onSignal)
      process.off('uncaughtException', onException)
      process.off('unhandledRejection', onRejection)
    },
  }
}
