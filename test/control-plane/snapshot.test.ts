import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { describe, expect, it } from 'vitest'
import { readSnapshot, type Snapshot, writeSnapshot } from '../../src/control-plane/snapshot.ts'
import { SnapshotWriter } from '../../src/control-plane/snapshot-writer.ts'
import { FakeClock, settled } from '../helpers/fake-clock.ts'
import { RecordedLog } from './recorded-log.ts'

async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'fezz-snapshot-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

function snapshotOf(values: Record<string, string>, revision = '7'): Snapshot {
  const entries = Object.entries(values).map(
    ([key, value]) => [key, { value, revision: '3' }] as const,
  )
  return {
    store: 'etcd://localhost:2379',
    revision,
    savedAt: '2026-11-21T12:00:00.000Z',
    suspect: false,
    entries: new Map(entries),
  }
}

const SOME = snapshotOf({
  'fezz/v1/functions/a': '{"manifest":{"path":"/a"}}',
  'fezz/v1/functions/b': 'line\nend, \u2028, \ud83d\ude00, half of one \ud83d, "quotes"',
  'fezz/v1/functions/__proto__': '',
})

describe('a snapshot file', () => {
  it.each([
    ['entries', SOME],
    ['nothing', snapshotOf({})],
    ['suspect entries', { ...SOME, suspect: true }],
  ])('brings back %s', async (_, snapshot) => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 'deeper', 'snapshot.jsonl')
    await writeSnapshot(file, snapshot)
    expect(await readSnapshot(file)).toEqual({ kind: 'found', snapshot })
    await writeSnapshot(file, snapshotOf({ other: '1' }))
    expect(await readSnapshot(file)).toEqual({
      kind: 'found',
      snapshot: snapshotOf({ other: '1' }),
    })
    expect(await readdir(join(folder.path, 'deeper'))).toEqual(['snapshot.jsonl'])
  })

  it('can be read by its owner alone', async () => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 's')
    await writeSnapshot(file, SOME)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
  })

  it('may be absent', async () => {
    expect(await readSnapshot('/nonexistent/snapshot')).toEqual({ kind: 'absent' })
  })

  it('is not used when it has lost any part of its end', async () => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 's')
    await writeSnapshot(file, SOME)
    const whole = await readFile(file)
    for (let length = 0; length < whole.length; length++) {
      await writeFile(file, whole.subarray(0, length))
      expect(await readSnapshot(file)).toMatchObject({ kind: 'unusable' })
    }
  })

  it('is not used when any one bit of it is another', async () => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 's')
    await writeSnapshot(file, SOME)
    const whole = await readFile(file)
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole)
      damaged[at] = (damaged[at] as number) ^ (1 << (at % 8))
      await writeFile(file, damaged)
      expect(await readSnapshot(file)).toMatchObject({ kind: 'unusable' })
    }
  })

  it.each([
    ['', 'it is not a snapshot of Fezz'],
    ['{"name":"fezz"}\n', 'it is not a snapshot of Fezz'],
    ['null\n', 'it is not a snapshot of Fezz'],
    ['\u0000\u0001\u0002', 'it is not a snapshot of Fezz'],
    [
      '{"format":"fezz-snapshot","version":2,"new":true}\n',
      'a newer Fezz has written it (format 2, this one knows 1)',
    ],
    ['{"format":"fezz-snapshot","version":1}\n', 'its first line is damaged'],
  ])('says why it is not used: %j', async (content, reason) => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 's')
    await writeFile(file, content)
    expect(await readSnapshot(file)).toEqual({ kind: 'unusable', reason })
  })

  it('says why it is not used when more was appended, or lines were taken out', async () => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 's')
    await writeSnapshot(file, SOME)
    const whole = await readFile(file, 'utf8')
    await writeFile(file, `${whole}{}\n`)
    expect(await readSnapshot(file)).toMatchObject({ reason: 'something follows its end' })
    const lines = whole.split('\n')
    await writeFile(file, lines.toSpliced(2, 1).join('\n'))
    expect(await readSnapshot(file)).toMatchObject({
      reason: 'its line 4 is damaged or missing',
    })
    await writeFile(file, lines.with(1, lines[1]?.replace('/a', '/b') ?? '').join('\n'))
    expect(await readSnapshot(file)).toMatchObject({ reason: 'its checksum is wrong' })
    expect(await readSnapshot(folder.path)).toMatchObject({
      reason: 'it cannot be read (EISDIR)',
    })
  })

  it('writes and reads 10,000 entries without holding up the event loop', async () => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 's')
    const value = 'x'.repeat(1_000)
    const all = Array.from({ length: 10_000 }, (_, n) => [`key-${n}`, `${value}${n}`] as const)
    const snapshot = snapshotOf(Object.fromEntries(all))
    // The first time, its code is compiled.
    await writeSnapshot(file, snapshotOf(Object.fromEntries(all.slice(0, 500))))
    await readSnapshot(file)
    const delays = monitorEventLoopDelay({ resolution: 1 })
    delays.enable()
    await writeSnapshot(file, snapshot)
    const found = await readSnapshot(file)
    delays.disable()
    expect(found).toEqual({ kind: 'found', snapshot })
    // 1 ms of it is the resolution; the rest is for a machine that is busy with other tests.
    expect(delays.percentile(90) / 1e6).toBeLessThan(10)
  })
})

/** A writer whose content is `state`, and the clock it lives by. */
function writing(file: string) {
  const clock = new FakeClock()
  const log = new RecordedLog()
  const state = { snapshot: snapshotOf({ n: '0' }), asked: 0 }
  const writer = new SnapshotWriter({
    file,
    log,
    clock,
    content: () => {
      state.asked++
      return state.snapshot
    },
  })
  return {
    clock,
    log,
    state,
    writer,
    change(n: number) {
      state.snapshot = snapshotOf({ n: String(n) })
      writer.changed()
    },
    async written() {
      const found = await readSnapshot(file)
      return found.kind === 'found' ? found.snapshot.entries.get('n')?.value : found.kind
    },
    [Symbol.asyncDispose]: () => writer.close(),
  }
}

describe('a snapshot writer', () => {
  it('writes a second after the last of many changes', async () => {
    await using folder = await temporaryFolder()
    await using world = writing(join(folder.path, 's'))
    for (let n = 1; n <= 4; n++) {
      world.change(n)
      await world.clock.advance(900)
    }
    expect(world.state.asked).toBe(0)
    await world.clock.advance(100)
    expect(world.state.asked).toBe(1)
    await world.writer.flush()
    expect(await world.written()).toBe('4')
    expect(world.state.asked).toBe(1)
    expect(world.writer.savedAtMs).toBe(Date.parse('2026-11-21T12:00:00.000Z'))
  })

  it('writes after 5 s although the changes do not end', async () => {
    await using folder = await temporaryFolder()
    await using world = writing(join(folder.path, 's'))
    for (let ms = 0; ms < 5_000; ms += 500) {
      world.change(ms)
      await world.clock.advance(500)
    }
    expect(world.state.asked).toBe(1)
    await world.writer.flush()
    expect(await world.written()).toBe('4500')
  })

  it('joins those who want it written, and writes once more what came meanwhile', async () => {
    await using folder = await temporaryFolder()
    await using world = writing(join(folder.path, 's'))
    world.change(1)
    const first = [world.writer.flush(), world.writer.flush()]
    await settled()
    world.change(2)
    await Promise.all([...first, world.writer.flush(), world.writer.close(), world.writer.close()])
    expect(world.state.asked).toBe(2)
    expect(await world.written()).toBe('2')
    world.change(3)
    await world.clock.advance(10_000)
    expect(world.state.asked).toBe(2)
    expect(world.clock.pending).toBe(0)
  })

  it('reports a disk that cannot be written once, tries again with the next change, and says when it can', async () => {
    await using folder = await temporaryFolder()
    // A file where the folder should be: what a full disk is to a writer.
    const blocked = join(folder.path, 'blocked')
    await writeFile(blocked, '')
    await using world = writing(join(blocked, 's'))
    for (let n = 1; n <= 3; n++) {
      world.change(n)
      await world.writer.flush()
      expect(world.writer.lastError).toMatchObject({ code: 'EEXIST' })
    }
    expect(world.log.lines).toEqual([
      'error: the snapshot cannot be written; without it this host cannot start while the store is down',
    ])
    await rm(blocked)
    await world.writer.close()
    expect(world.writer.lastError).toBeUndefined()
    expect(world.log.lines[1]).toBe('info: the snapshot can be written again')
    expect(await world.written()).toBe('3')
  })

  it('removes what a killed process has left half written, and nothing else', async () => {
    await using folder = await temporaryFolder()
    const old = ['s.dead.tmp', 's.tmp', 'other.tmp', 's.jsonl']
    for (const name of old) {
      await writeFile(join(folder.path, name), 'x')
      await utimes(join(folder.path, name), 1, 1)
    }
    await writeFile(join(folder.path, 's.of-another-process.tmp'), 'x')
    await using world = writing(join(folder.path, 's'))
    world.change(1)
    await world.writer.flush()
    expect((await readdir(folder.path)).sort()).toEqual([
      'other.tmp',
      's',
      's.jsonl',
      's.of-another-process.tmp',
    ])
  })
})
