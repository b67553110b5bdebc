import { expect, it } from 'vitest'
import { LineAllowance } from '../../src/executors/line-allowance.ts'
import { FakeClock } from '../helpers/fake-clock.ts'

function setup() {
  const clock = new FakeClock()
  const reports: number[] = []
  const report = (dropped: number) => void reports.push(dropped)
  const allowance = new LineAllowance({ linesPerSecond: 10, burstLines: 20, report, clock })
  const taken = (lines: number) => Array.from({ length: lines }, () => allowance.take())
  return { clock, reports, allowance, taken }
}

it('lets a burst through, then lines at a rate', async () => {
  const { clock, taken } = setup()
  expect(taken(25).filter(Boolean)).toHaveLength(20)
  await clock.advance(500)
  expect(taken(10)).toEqual([...Array(5).fill(true), ...Array(5).fill(false)])
})

it('saves no more than a burst in a long silence', async () => {
  const { clock, taken } = setup()
  await clock.advance(60_000)
  expect(taken(30).filter(Boolean)).toHaveLength(20)
})

it('takes a long line for several, so that what is logged is bounded in length too', async () => {
  const { clock, allowance, taken } = setup()
  expect(allowance.take(30 * 8_192)).toBe(true)
  expect(taken(1)).toEqual([false])
  await clock.advance(1_000)
  expect(taken(1)).toEqual([false])
  await clock.advance(1_000)
  expect(taken(11).filter(Boolean)).toHaveLength(10)
})

it('reports once a second what was dropped, and the rest when it is closed', async () => {
  const { clock, reports, allowance, taken } = setup()
  taken(30)
  expect(reports).toEqual([])
  await clock.advance(1_000)
  expect(reports).toEqual([10])
  taken(12)
  allowance.close()
  allowance.close()
  await clock.advance(5_000)
  expect(reports).toEqual([10, 2])
})
