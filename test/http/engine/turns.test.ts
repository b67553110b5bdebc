import { describe, expect, it } from 'vitest'
import { Turns } from '../../../src/http/engine/turns.ts'

const nextTurn = () => new Promise(resolve => setImmediate(resolve))

/** Does nothing else until the share of the turn is used up. */
function useUp(turns: Turns): void {
  while (!turns.isOver);
}

describe('Turns', () => {
  it('ends a turn after a while, and begins another', async () => {
    const turns = new Turns()
    expect(turns.isOver).toBe(false)
    useUp(turns)
    expect(turns.isOver).toBe(true)
    await nextTurn()
    expect(turns.isOver).toBe(false)
  })

  it('lets each of those that have much to do go on in its order', async () => {
    const turns = new Turns()
    const order: string[] = []
    const work = (name: string) => () => {
      order.push(name)
      useUp(turns)
      if (order.length < 9) turns.next(work(name))
    }
    for (const name of ['a', 'b', 'c']) turns.next(work(name))
    expect(order).toEqual([])
    while (order.length < 9) await nextTurn()
    expect(order.join('')).toBe('abcabcabc')
  })

  it('gives way between them to what has come meanwhile', async () => {
    const turns = new Turns()
    let done = 0
    for (let one = 0; one < 5; one++) {
      turns.next(() => {
        done++
        useUp(turns)
      })
    }
    await nextTurn()
    await nextTurn()
    expect(done).toBeLessThan(5)
    while (done < 5) await nextTurn()
  })
})
