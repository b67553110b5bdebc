import type { SlotState } from '../../function/slot.ts'
import { byLabel, family, processFamilies } from '../../telemetry/families.ts'
import type { Family } from '../../telemetry/prometheus.ts'
import {
  cumulativePart,
  type FamilySnapshot,
  familyOf,
  snapshotSlices,
  Totals,
} from '../../telemetry/totals.ts'
import type { FunctionStatus, HostStatus } from '../system-endpoints.ts'
import type { WorkerProcess, WorkerReport } from './worker-process.ts'

/** Why a worker was replaced that nobody had asked to end. */
export type RestartReason = 'exited' | 'stuck'

/** Long enough for a worker that has a turn of its event loop at all; others are left out. */
const REPORT_MS = 500
/** Of a function that is in several states, the one that is told. */
const LIVELIEST: readonly SlotState[] = ['Ready', 'Loading', 'Unloading', 'Unloaded']

/** Adds up what workers have counted, those that are gone included. */
export class WorkerTotals {
  readonly #departed = new Totals()
  readonly #restarts = new Map<RestartReason, number>([
    ['exited', 0],
    ['stuck', 0],
  ])

  /** Keeps what a worker that has ended had counted, as far as it has told. */
  keep({ lastReport }: WorkerProcess): void {
    if (lastReport !== undefined) this.#departed.add(cumulativePart(lastReport.families))
  }

  recordRestart(reason: RestartReason): void {
    this.#restarts.set(reason, (this.#restarts.get(reason) ?? 0) + 1)
  }

  /** All families, of the supervisor's own process too. */
  async families(workers: Iterable<WorkerProcess>): Promise<Family[]> {
    const all = [...workers]
    // As of now: one that ends while it is asked is among those that are asked, and counts once.
    const totals = new Totals().add(this.#departed.snapshot())
    const reports = await Promise.all(all.map(worker => worker.report(REPORT_MS)))
    for (const [index, worker] of all.entries()) {
      const report = reports[index]
      if (report !== undefined) totals.add(report.families)
      else if (worker.lastReport !== undefined)
        totals.add(cumulativePart(worker.lastReport.families))
    }
    totals.add(snapshot(this.#own(all)))
    return totals.snapshot().map(familyOf)
  }

  /** The functions of all, each once, and how the workers are. */
  async status(workers: Iterable<WorkerProcess>): Promise<HostStatus> {
    const all = [...workers]
    const reports = await Promise.all(all.map(worker => worker.report(REPORT_MS)))
    return {
      functions: joinedFunctions(reports),
      workers: all.map((worker, index) => {
        const { functions: _, ...sections } = reports[index]?.status ?? { functions: [] }
        const { number, pid, state } = worker
        return { worker: number, pid, state, answers: reports[index] !== undefined, ...sections }
      }),
    }
  }

  #own(workers: readonly WorkerProcess[]): Family[] {
    return [
      family('gauge', 'fezz_workers', 'Worker processes by state.', () =>
        byLabel(
          'state',
          (['starting', 'ready', 'leaving'] as const).map(state => [
            state,
            workers.filter(worker => worker.state === state).length,
          ]),
        ),
      ),
      family(
        'counter',
        'fezz_worker_restarts_total',
        'Workers replaced because they ended or were stuck.',
        () => byLabel('reason', this.#restarts),
      ),
      ...processFamilies(),
    ]
  }
}

function snapshot(families: Iterable<Family>): FamilySnapshot[] {
  return [...snapshotSlices(families, Number.POSITIVE_INFINITY)].flat()
}

function joinedFunctions(reports: readonly (WorkerReport | undefined)[]): FunctionStatus[] {
  const joined = new Map<string, FunctionStatus>()
  for (const each of reports.flatMap(report => report?.status.functions ?? [])) {
    const key = JSON.stringify([each.name, each.version])
    const before = joined.get(key)
    if (before === undefined) joined.set(key, each)
    else {
      const state = LIVELIEST.find(one => one === before.state || one === each.state) ?? each.state
      joined.set(key, { ...before, state, inFlight: before.inFlight + each.inFlight })
    }
  }
  return [...joined.values()]
}
