import type { SlotObserver } from '../function/slot.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/** Writes the life of every instance into metrics and log. */
export function lifecycleObserver(metrics: Metrics, log: Logger): SlotObserver {
  return {
    loaded(slot, durationMs) {
      metrics.forFunction(slot.id).recordLoad(durationMs)
      log.info(
        { functionId: slot.id, version: slot.version, durationMs: tenths(durationMs) },
        'function loaded',
      )
    },
    loadFailed(slot, err, retryInMs) {
      metrics.forFunction(slot.id).recordLoadFailure()
      log.error(
        { functionId: slot.id, version: slot.version, retryInMs: tenths(retryInMs), err },
        'load failed',
      )
    },
    unloaded(slot, reason, err) {
      metrics.forFunction(slot.id).recordUnload(reason)
      const fields = { functionId: slot.id, version: slot.version, reason }
      if (err === undefined) log.info(fields, 'function unloaded')
      else log.error({ ...fields, err }, 'onUnload failed; the function is unloaded all the same')
    },
    died(slot, { reason, cause: err }) {
      metrics.forFunction(slot.id).recordUnload(reason)
      const fields = { functionId: slot.id, version: slot.version, reason }
      log.error({ ...fields, err }, 'the instance has died')
    },
  }
}

function tenths(durationMs: number): number {
  return Math.round(durationMs * 10) / 10
}
