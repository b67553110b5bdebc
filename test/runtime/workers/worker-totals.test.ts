import { expect, it } from 'vitest'
import type { WorkerProcess, WorkerReport } from '../../../src/runtime/workers/worker-process.ts'
import { WorkerTotals } from '../../../src/runtime/workers/worker-totals.ts'

/** A worker that has told of `value` requests, and answers when asked again. */
function workerThatTold(value: number) {
  const lastReport: WorkerReport = {
    families: [
      {
        name: 'n_total',
        help: 'N.',
        type: 'counter',
        across: 'sum',
        samples: [{ name: 'n_total', labels: {}, value }],
      },
    ],
    status: { functions: [] },
  }
  const answer = Promise.withResolvers<WorkerReport | undefined>()
  const worker = { lastReport, state: 'ready', report: () => answer.promise }
  return { worker: worker as unknown as WorkerProcess, lastReport, answer }
}

it.each([
  ['before it has answered', false],
  ['when it has answered, and another has not', true],
])('a worker that ends while it is asked counts once: %s', async (_when, hasAnswered) => {
  const ending = workerThatTold(3)
  const staying = workerThatTold(4)
  const totals = new WorkerTotals()
  const families = totals.families([ending.worker, staying.worker])
  ending.answer.resolve(hasAnswered ? ending.lastReport : undefined)
  totals.keep(ending.worker)
  staying.answer.resolve(staying.lastReport)
  const counted = (await families).find(({ name }) => name === 'n_total')
  expect(Array.from(counted?.samples() ?? [], ({ value }) => value)).toEqual([7])

  const later = (await totals.families([staying.worker])).find(({ name }) => name === 'n_total')
  expect(Array.from(later?.samples() ?? [], ({ value }) => value)).toEqual([7])
})
