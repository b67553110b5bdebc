import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Reconciler } from '../../src/control-plane/reconciler.ts'
import { ReconcilerWorld } from './reconciler-world.ts'

const id = fc.constantFrom('a', 'b', 'c')
const version = fc.constantFrom('1', '2', '3')

const command = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant('put'), id, version }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete'), id }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('spoil'), id }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('strip'), id }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('move'), id }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('fail'), id, version }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('slow'), id, version }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('hurry') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('heal') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('break') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('mend') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('lose') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('mute') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart') }) },
  {
    weight: 14,
    arbitrary: fc.record({
      do: fc.constant('advance'),
      ms: fc.constantFrom(0, 1, 5, 5, 6, 50, 500, 1_000, 5_000),
    }),
  },
)

type Command = { do: string; id: string; version: string; ms: number }

/** What stands in the store for each function. */
type Standing = { kind: 'good' | 'elsewhere' | 'wrong'; version?: string }

class Run {
  readonly world: ReconcilerWorld
  readonly standing = new Map<string, Standing>()
  reconciler: Reconciler | undefined
  revision = '0'

  constructor(world: ReconcilerWorld) {
    this.world = world
  }

  async open(): Promise<void> {
    await this.reconciler?.close()
    // Where it is left out what was told to the one before, a start is from nothing.
    this.reconciler = this.world.open({ compareEveryMs: 20_000, patienceMs: 100 })
    this.reconciler.start().catch(() => {})
    await this.world.clock.advance(0)
  }

  async do({ do: what, id, version, ms }: Command): Promise<void> {
    const { world, standing } = this
    const { host, store, clock } = world
    if (what === 'put') {
      this.revision = await world.put(id, version)
      standing.set(id, { kind: 'good', version })
    } else if (what === 'delete') {
      if (await world.delete(id)) this.revision = (await store.store.list('')).revision
      standing.delete(id)
    } else if (what === 'spoil') {
      this.revision = await world.putText(id, '{')
      standing.set(id, { kind: 'wrong' })
    } else if (what === 'strip') {
      this.revision = await world.put(id, '1', { code: undefined })
      standing.set(id, { kind: 'wrong' })
    } else if (what === 'move') {
      this.revision = await world.put(id, '1', { placement: { nodes: ['node-2'] } })
      standing.set(id, { kind: 'elsewhere' })
    } else if (what === 'fail') host.failing.add(`${id}@${version}`)
    else if (what === 'slow') host.slow(`${id}@${version}`)
    else if (what === 'hurry') host.hurry()
    else if (what === 'break') host.isBroken = true
    else if (what === 'heal') this.heal()
    else if (what === 'cut') store.cut()
    else if (what === 'mend') store.mend()
    else if (what === 'lose') store.interrupt('WATCH_LOST')
    else if (what === 'mute') store.isMuted = true
    else if (what === 'restart') await this.open()
    else await clock.advance(ms)
  }

  heal(): void {
    this.world.host.isBroken = false
    this.world.host.failing.clear()
  }

  /** Everything works again; then nothing of the trouble may be left. */
  async settle(): Promise<void> {
    const { world } = this
    this.heal()
    world.host.hurry()
    world.store.mend()
    world.store.isMuted = false
    const hasStarted = () => this.reconciler?.status().startedFrom !== undefined
    await world.until(hasStarted, 10)
    await world.clock.advance(150_000)

    const status = this.reconciler?.status()
    const wrong = [...this.standing].filter(([, { kind }]) => kind === 'wrong').map(([id]) => id)
    const { running } = world
    for (const [id, { kind, version }] of this.standing) {
      // The last good version that it has seen, whichever that is.
      if (kind !== 'wrong') expect(running[id]).toBe(kind === 'good' ? version : undefined)
    }
    for (const id of Object.keys(running)) expect([...this.standing.keys()]).toContain(id)
    expect(status?.problems.map(problem => problem.id).sort()).toEqual(wrong.sort())
    expect(status).toMatchObject({
      connected: true,
      revision: this.revision,
      lagMs: 0,
      functions: Object.keys(running).length,
      suspect: false,
    })
    expect(world.host.doubled).toEqual([])
    expect(world.host.inFlight).toBe(0)
  }
}

it('ends with what the store says, whatever happens in whatever order, and sends nothing twice', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 60, size: 'max' }), async commands => {
      await using world = await ReconcilerWorld.withSnapshot()
      const run = new Run(world)
      // An empty store is not believed; what is held then is a test of its own.
      await run.do({ do: 'put', id: 'z', version: '1', ms: 0 })
      await run.open()
      for (const command of commands) await run.do(command as Command)
      await run.settle()
      await run.reconciler?.close()
      expect(world.clock.pending).toBe(0)
      expect(world.store.openWatches).toBe(0)
    }),
    { numRuns: 100 },
  )
}, 120_000)
