import { expect, it } from 'vitest'
import { FixedPorts } from '../../../src/executors/process/fixed-ports.ts'
import { FakeClock, settled } from '../../helpers/fake-clock.ts'

function setup() {
  const clock = new FakeClock()
  const ports = new FixedPorts(clock)
  const order: string[] = []
  const take = async (name: string, port = 80, timeoutMs = 1_000) => {
    const release = await ports.take(port, timeoutMs)
    order.push(release === undefined ? `${name} gave up` : name)
    return release
  }
  return { clock, order, take }
}

it('gives a port to one at a time, in the order in which they asked', async () => {
  const { order, take } = setup()
  const first = await take('first')
  const second = take('second')
  const third = take('third')
  await take('other', 81)
  await settled()
  expect(order).toEqual(['first', 'other'])
  first?.()
  first?.()
  const release = await second
  await settled()
  expect(order).toEqual(['first', 'other', 'second'])
  release?.()
  await third
  expect(order.at(-1)).toBe('third')
})

it('keeps nobody waiting for ever, and those behind who gives up wait on', async () => {
  const { clock, order, take } = setup()
  const first = await take('first')
  const second = take('second')
  const third = take('third', 80, 5_000)
  await clock.advance(1_000)
  expect(await second).toBeUndefined()
  await settled()
  expect(order).toEqual(['first', 'second gave up'])
  first?.()
  expect(await third).toBeDefined()
})

it('is free again when all are done with it', async () => {
  const { take } = setup()
  const first = await take('first')
  first?.()
  await settled()
  const second = await take('second', 80, 0)
  expect(second).toBeDefined()
})
