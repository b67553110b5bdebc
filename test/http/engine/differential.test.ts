import { expect, it } from 'vitest'
import { run } from '../../fuzz/http/run.ts'

const REQUESTS = 3_000

// `node test/fuzz/http/cli.ts` compares as many as one has time for.
it.each([1, Math.floor(Math.random() * 2 ** 31)])(
  'accepts nothing that node’s parser refuses or reads otherwise, seed %i',
  async seed => {
    const report = await run(REQUESTS, seed)
    expect(report.failures).toEqual([])
    // Most of the bytes have to mean something.
    expect(report.accepted).toBeGreaterThan(REQUESTS / 4)
    expect(report.stricter.size).toBeGreaterThan(5)
  },
)
