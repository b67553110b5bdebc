import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, statSync, symlinkSync } from 'node:fs'
import { chmod, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { noteEngine } from '../../src/executors/engine-note.ts'
import { RunFolder } from '../../src/executors/run-folder.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { withoutFezzVariables } from './process/clean-variables.ts'
import { countGiven, isRunning } from './process/running.ts'

const log = createLogger({ level: 'silent' })

describe('a run folder', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fezz-run-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const linkTo = (target: string): string => {
    const link = join(folder, 'link')
    symlinkSync(target, link)
    return link
  }

  it('is of this user alone, gives each instance a place, and goes when it is closed', async () => {
    const base = join(folder, 'run')
    const run = await RunFolder.open({ folder: base, log })
    const [first, second] = [run.instance(), run.instance()]
    expect(first.home).not.toBe(second.home)
    expect(existsSync(first.temporary)).toBe(true)
    expect(Buffer.byteLength(first.socketPath)).toBeLessThan(108)
    await first.remove()
    expect(existsSync(first.path)).toBe(false)
    await Promise.all([run.close(), run[Symbol.asyncDispose]()])
    expect(readdirSync(base)).toEqual([])
  })

  it('leaves alone what another host uses', async () => {
    await using first = await RunFolder.open({ folder, log })
    await using second = await RunFolder.open({ folder, log })
    expect(readdirSync(folder)).toHaveLength(2)
    expect(first.id).not.toBe(second.id)
  })

  it.each([
    ['too deep for a socket', () => join(folder, 'x'.repeat(90)), 'too deep'],
    ['a link', () => linkTo('/tmp'), 'somebody'],
    ['impossible', () => '/dev/null/run', 'cannot be made'],
  ])('is refused where it would be %s', async (_name, path, message) => {
    await expect(RunFolder.open({ folder: path(), log })).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringMatching(
        new RegExp(`${message}.*; choose (?:another|a shorter) runDir$`),
      ),
    })
  })

  it('takes back a folder that others could look into', async () => {
    await chmod(folder, 0o777)
    await using _run = await RunFolder.open({ folder, log })
    expect(statSync(folder).mode & 0o777).toBe(0o700)
  })

  it('removes all that a host left behind that was killed: processes, sockets, folders, groups', async () => {
    const script = join(import.meta.dirname, 'process/killed-host-script.ts')
    const host = spawn(process.execPath, [script, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: withoutFezzVariables(),
    })
    const gone = once(host, 'exit')
    const lines = createInterface({ input: host.stdout })
    const [ready] = (await once(lines, 'line')) as [string]
    const { mark, pids, cgroups } = JSON.parse(ready) as {
      mark: string
      pids: number[]
      cgroups: string[]
    }
    const left = () => countGiven(`MARK=${mark}`)
    expect(left()).toBeGreaterThanOrEqual(5)
    host.kill('SIGKILL')
    await gone
    // Some may be dying with it; those that have left its session are not.
    expect(left()).toBeGreaterThan(0)

    await using run = await RunFolder.open({ folder, log })
    await expect.poll(left).toBe(0)
    expect(pids.filter(isRunning)).toEqual([])
    expect(readdirSync(folder)).toEqual([run.id])
    expect(cgroups.filter(path => existsSync(path))).toEqual([])
  })

  it('of a host that had containers stays until their engine has answered', async () => {
    const [, , namespace, boot] = (await nameIn(folder)).split('-')
    const dead = join(folder, `4194305-1-${namespace}-${boot}-abcdef`)
    mkdirSync(dead)
    const socketPath = join(folder, 'engine.sock')
    noteEngine(dead, { socketPath })
    {
      await using run = await RunFolder.open({ folder, log })
      await run.cleared
      expect(existsSync(dead)).toBe(true)
    }
    const asked: unknown[] = []
    // Nobody waits for one that never answers.
    const silent = createServer(() => {}).listen(socketPath)
    await once(silent, 'listening')
    const hanging = await RunFolder.open({ folder, log })
    await once(silent, 'request')
    await hanging.close()
    silent.close()
    await once(silent, 'close')
    expect(existsSync(dead)).toBe(true)
    const engine = createServer(({ url }, response) => {
      asked.push(new URL(url as string, 'http://engine').searchParams.get('filters'))
      response.end('[]')
    }).listen(socketPath)
    await once(engine, 'listening')
    await using run = await RunFolder.open({ folder, log })
    await run.cleared
    engine.close()
    expect(asked).toEqual([JSON.stringify({ label: [`fezz.run=4194305-1-${namespace}-${boot}`] })])
    expect(existsSync(dead)).toBe(false)
  })
})

/** Name of the folder in a run folder that was opened and closed again. */
async function nameIn(folder: string): Promise<string> {
  await using run = await RunFolder.open({ folder, log })
  return run.id
}
