import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileStore } from '../../src/control-plane/file/file-store.ts'
import { compareRevisions } from '../../src/control-plane/store.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { storeContract } from '../contract/store-contract.ts'
import { Follower, pictureOf } from '../contract/store-follower.ts'
import { FakeClock } from '../helpers/fake-clock.ts'

const silent = createLogger({ level: 'silent' })

storeContract('FileStore', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fezz-store-'))
  return {
    open: async () => new FileStore({ folder, log: silent }),
    endLease: async key => {
      const leases = join(folder, '.fezz/leases')
      for (const name of await readdir(leases)) {
        const file = join(leases, name)
        if (!(await readFile(file, 'utf8')).includes(`${key}.json`)) continue
        await unlink(join(folder, `${key}.json`))
        await unlink(file)
      }
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  }
})

describe('FileStore', () => {
  let parent: string
  let folder: string
  let lines: string[]
  let store: FileStore
  const children: ChildProcess[] = []

  const open = (options: { clock?: FakeClock; scanEveryMs?: number } = {}) =>
    new FileStore({
      folder,
      log: createLogger({
        level: 'warn',
        format: 'json',
        destination: { write: (line: string) => void lines.push(line) } as never,
      }),
      ...options,
    })

  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'fezz-store-'))
    folder = join(parent, 'store')
    lines = []
    store = open()
  })

  afterEach(async () => {
    await store.close()
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    await rm(parent, { recursive: true })
  })

  /** Runs a program that has `FileStore` and `folder`. */
  function run(program: string, options: { uid?: number } = {}): ChildProcess {
    const source = `
      import { FileStore } from ${JSON.stringify(resolve('src/control-plane/file/file-store.ts'))}
      const log = { error() {}, warn() {}, info() {}, debug() {} }
      const folder = ${JSON.stringify(folder)}
      ${program}`
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith('FEZZ_')),
    )
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
      ...options,
    })
    children.push(child)
    return child
  }

  async function outputOf(child: ChildProcess): Promise<string> {
    let output = ''
    for await (const chunk of child.stdout ?? []) output += chunk
    if (child.exitCode === null) await once(child, 'exit')
    return output
  }

  const file = (name: string) => join(folder, name)

  describe('by hand', () => {
    it('a file may be written, replaced, linked over and deleted', async () => {
      await store.put('f/a', '1')
      await using follower = await Follower.start(store, 'f/')
      await writeFile(file('f/a.json'), 'in place')
      await follower.untilHas('f/a', 'in place')
      await writeFile(file('new'), 'renamed over')
      await rename(file('new'), file('f/a.json'))
      await follower.untilHas('f/a', 'renamed over')
      await writeFile(file('f/b.json'), 'created')
      await follower.untilHas('f/b', 'created')
      await unlink(file('f/a.json'))
      await follower.untilHas('f/a', undefined)
      expect(pictureOf(await store.list(''))).toEqual(new Map([['f/b', 'created']]))
    })

    it('an old file that is put back is a new change', async () => {
      await store.put('f/a', '1')
      await writeFile(join(parent, 'old'), 'old')
      await utimes(join(parent, 'old'), 1, 1)
      const { revision } = await store.list('')
      await rename(join(parent, 'old'), file('f/a.json'))
      const listing = await store.list('')
      expect(listing.entries.get('f/a')?.value).toBe('old')
      expect(compareRevisions(revision, listing.revision)).toBeLessThan(0)
    })

    it('a folder may be made, moved away and moved back', async () => {
      await using follower = await Follower.start(store, '')
      await mkdir(file('deep/er'), { recursive: true })
      await writeFile(file('deep/er/a.json'), '1')
      await follower.untilHas('deep/er/a', '1')
      await rename(file('deep'), join(parent, 'away'))
      await follower.untilHas('deep/er/a', undefined)
      await rename(join(parent, 'away'), file('deep'))
      await follower.untilHas('deep/er/a', '1')
      await writeFile(file('deep/er/b.json'), '1')
      await follower.untilHas('deep/er/b', '1')
    })

    it('everything may be removed and made anew at once', async () => {
      for (const key of ['f/a', 'f/b', 'g/c']) await store.put(key, 'before')
      await using follower = await Follower.start(store, '')
      rmSync(folder, { recursive: true })
      mkdirSync(file('f'), { recursive: true })
      writeFileSync(file('f/b.json'), 'after')
      await follower.untilHas('f/a', undefined)
      await follower.untilHas('f/b', 'after')
      expect(follower.picture).toEqual(new Map([['f/b', 'after']]))
      await store.put('f/c', 'after')
      await follower.untilHas('f/c', 'after')
    })

    it('a folder that is gone is a store that does not answer, not an empty one', async () => {
      await store.put('f/a', '1')
      const follower = await Follower.start(store, '')
      renameSync(folder, join(parent, 'away'))
      expect(await follower.ended).toMatchObject({ code: 'STORE_UNAVAILABLE' })
      expect(follower.keysTold).toEqual([])
      await expect(store.list('')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
      await expect(store.put('f/b', '1')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
      renameSync(join(parent, 'away'), folder)
      await using again = await Follower.start(store, '')
      expect(again.picture).toEqual(new Map([['f/a', '1']]))
      await writeFile(file('f/b.json'), '1')
      await again.untilHas('f/b', '1')
    })

    it('a file is not told before it is written to its end', async () => {
      await using follower = await Follower.start(store, '')
      writeFileSync(file('a.json'), '')
      // The same loop runs the store: whatever stalls it stalls the writer as well.
      for (let n = 0; n < 60; n++) {
        appendFileSync(file('a.json'), `${n} `)
        await new Promise(resolve => setTimeout(resolve, 1))
      }
      appendFileSync(file('a.json'), 'end')
      await follower.until(() => follower.changes.length > 0, 'the file was told')
      expect(follower.picture.get('a')).toMatch(/^0 1 2 .* 59 end$/)
    })

    it('what is no entry is left alone, and a name that looks like one is reported once', async () => {
      await store.put('f/a', '1')
      await mkdir(file('.git'))
      await mkdir(file('f/folder.json'))
      for (const name of ['.git/x.json', 'f/.a.json.swp', 'f/.b.json', 'f/a.json~', 'README.md']) {
        await writeFile(file(name), 'junk')
      }
      await writeFile(file('f/100%.json'), 'junk')
      await writeFile(file('f/folder.json/x.json'), 'junk')
      expect(pictureOf(await store.list(''))).toEqual(new Map([['f/a', '1']]))
      await store.list('')
      expect(lines.filter(line => line.includes('100%'))).toHaveLength(1)
      expect(lines).toHaveLength(2)
    })

    it('a file that cannot be read keeps its last value, and is reported', async () => {
      await store.put('f/a', '1')
      await store.put('f/b', '1')
      await using follower = await Follower.start(store, '')
      await truncate(file('f/a.json'), 17 * 1024 * 1024)
      await writeFile(file('f/b.json'), '2')
      await follower.untilHas('f/b', '2')
      expect((await store.list('')).entries.get('f/a')?.value).toBe('1')
      expect(lines.filter(line => line.includes('f/a.json'))).toHaveLength(1)
      await writeFile(file('f/a.json'), '3')
      await follower.untilHas('f/a', '3')
    })

    it('a file from the future does not stop the revisions from growing', async () => {
      await store.put('f/a', '1')
      const year2100 = new Date('2100-01-01')
      await utimes(file('f/a.json'), year2100, year2100)
      const { entries, revision } = await store.list('')
      const seen = entries.get('f/a')?.revision as string
      const next = await store.put('f/a', '2', { ifRevision: seen })
      const other = await store.put('f/b', '1')
      expect(compareRevisions(revision, next)).toBeLessThan(0)
      expect(compareRevisions(next, other)).toBeLessThan(0)
      await using second = open()
      expect((await second.list('')).entries.get('f/b')?.revision).toBe(other)
    })
  })

  describe('with several processes', () => {
    it('loses no change of a counter that three of them raise', async () => {
      const raise = `
        const store = new FileStore({ folder, log })
        for (let n = 0; n < 150; ) {
          const stored = (await store.list('counter')).entries.get('counter')
          const next = String(Number(stored?.value ?? 0) + 1)
          try {
            await store.put('counter', next, { ifRevision: stored?.revision ?? null })
            n++
          } catch (error) {
            if (error.code !== 'CONFLICT') throw error
          }
        }
        await store.close()
        process.stdout.write('done')`
      await using follower = await Follower.start(store, '')
      const processes = [run(raise), run(raise), run(raise)]
      expect(await Promise.all(processes.map(outputOf))).toEqual(['done', 'done', 'done'])
      await follower.untilHas('counter', '450')
      const told = follower.changes.flatMap(({ events }) =>
        events.map(({ stored }) => Number(stored?.value)),
      )
      expect(told).toEqual(told.toSorted((a, b) => a - b))
    })

    it('gives up the keys of one that was killed', async () => {
      const child = run(`
        const store = new FileStore({ folder, log })
        const lease = await store.lease(600)
        await store.put('nodes/a', '1', { lease })
        process.stdout.write('ready')
        setInterval(() => {}, 1000)`)
      await once(child.stdout as NonNullable<typeof child.stdout>, 'data')
      await using follower = await Follower.start(store, '')
      expect(follower.picture).toEqual(new Map([['nodes/a', '1']]))
      child.kill('SIGKILL')
      await follower.untilHas('nodes/a', undefined)
      await store.put('nodes/a', '2', { ifRevision: null })
      expect(await readdir(file('.fezz/leases'))).toEqual([])
    })

    it('breaks the lock of one that is dead', async () => {
      await store.put('a', '1')
      const dead = run('')
      await outputOf(dead)
      const left = [
        { pid: dead.pid, host: hostname(), process: 'x' },
        // Number 1 of a container that was started again.
        { pid: process.pid, host: hostname(), process: 'x' },
      ]
      for (const holder of left) {
        await writeFile(file('.fezz/lock'), JSON.stringify(holder))
        await Promise.all([store.put('a', '2'), store.put('b', '2')])
      }
      await writeFile(file('.fezz/lock'), '')
      await utimes(file('.fezz/lock'), 1, 1)
      await store.put('a', '3')
      expect(await readdir(file('.fezz'))).toEqual(['.gitignore', 'revision'])
    })

    it('waits for a lock that another one holds, but not forever', async () => {
      const clock = new FakeClock()
      await using waiting = open({ clock })
      await waiting.put('a', '1')
      const holder = JSON.stringify({ pid: 1, host: 'elsewhere', process: 'x' })
      await writeFile(file('.fezz/lock'), holder)
      const put = waiting.put('a', '2')
      const refused = expect(put).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
      await new Promise(resolve => setTimeout(resolve, 50))
      await clock.advance(5_000)
      await refused
      const late = waiting.put('a', '3')
      await unlink(file('.fezz/lock'))
      await late
      expect((await waiting.list('')).entries.get('a')?.value).toBe('3')
    })

    it('can be read where it cannot be written', async () => {
      await store.put('f/a', '1')
      await store.close()
      const root = process.getuid?.() === 0
      await chmod(parent, 0o755)
      const locked = [folder, file('f'), file('.fezz')]
      for (const path of locked) await chmod(path, 0o555)
      const reader = run(
        `
        const store = new FileStore({ folder, log, scanEveryMs: 50 })
        const { entries, revision } = await store.list('')
        console.log(entries.get('f/a').value)
        await store.put('f/a', '2').catch(error => console.log(error.code))
        await store.lease(1000).catch(error => console.log(error.code))
        setTimeout(() => process.exit(1), 10_000)
        for await (const { events } of store.watch('', revision, new AbortController().signal)) {
          const { value } = events[0].stored
          // A write that is not the store's own begins by emptying the file.
          if (value === '') continue
          console.log(value)
          break
        }
        await store.close()
        process.exit()`,
        root ? { uid: 65_534 } : {},
      )
      const output = outputOf(reader)
      await once(reader.stdout as NonNullable<typeof reader.stdout>, 'data')
      await writeFile(file('f/a.json'), 'changed')
      expect(await output).toBe('1\nSTORE_UNAVAILABLE\nSTORE_UNAVAILABLE\nchanged\n')
      for (const path of locked) await chmod(path, 0o755)
    })
  })

  it.each(['', '/a', 'a/', 'a//b', '..', 'a/../b', '.a', 'a/.b', 'a\0b', '\ud800'])(
    'refuses %j as a key',
    async key => {
      await expect(store.put(key, '1')).rejects.toMatchObject({ code: 'INVALID_ENTRY' })
      await expect(store.delete(key)).rejects.toMatchObject({ code: 'INVALID_ENTRY' })
      expect((await readdir(folder)).filter(name => name !== '.fezz')).toEqual([])
    },
  )

  it('keeps keys apart whose files could meet', async () => {
    const keys = ['a', 'a.json/b', 'a/b', 'a%2Ejson/b', 'a%2Fb', 'a./b', 'a /b', 'a:b', 'a%3Ab']
    for (const key of keys) await store.put(key, key)
    await using other = open()
    const { entries } = await other.list('')
    expect(pictureOf(await store.list(''))).toEqual(new Map(keys.map(key => [key, key])))
    expect([...entries.keys()]).toEqual(keys.toSorted())
  })

  it('leaves nothing open when it is closed', async () => {
    const handles = () =>
      process.getActiveResourcesInfo().filter(kind => kind === 'FSEventWrap').length
    const before = handles()
    await using other = open()
    await store.put('f/a', '1')
    const follower = await Follower.start(store, '')
    await other.put('f/b', '1')
    await follower.untilHas('f/b', '1')
    await expect.poll(handles).toBeGreaterThan(before)
    const lease = await store.lease(60_000)
    await Promise.all([store.close(), store.close()])
    expect(await lease.lost).toBe('the store was closed')
    await expect.poll(handles).toBe(before)
  })

  it('lets a process end that has closed it', async () => {
    const child = run(`
      const store = new FileStore({ folder, log })
      const lease = await store.lease(60_000)
      await store.put('a', '1', { lease })
      const { revision } = await store.list('')
      const changes = store.watch('', revision, new AbortController().signal)
      await store.put('a', '2', { lease })
      for await (const change of changes) break
      await lease.revoke()
      await store.close()
      process.stdout.write('closed')`)
    expect(await outputOf(child)).toBe('closed')
    expect(child.exitCode).toBe(0)
  })
})
