import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { removeLeftovers } from './leftovers.ts'
import { LittleServer } from './little-server.ts'
import { isAlive } from './run.ts'

it('tells what a service wrote that ended at its start, and leaves nothing of it', async () => {
  const server = new LittleServer(`console.error('no such setting'); process.exit(1)`)
  await expect(server.start()).rejects.toThrow('no such setting')
  expect(server.isRunning).toBe(false)
  expect(existsSync(server.folder)).toBe(false)
})

it('takes other ports when its own were taken meanwhile', async () => {
  // As it looks to us: it says so and ends, the first time.
  const once = `const fs = require('fs')
    if (!fs.existsSync('second')) {
      fs.writeFileSync('second', '')
      console.error('listen tcp: bind: address already in use')
      process.exit(1)
    }`
  await using server = await new LittleServer(once).start()
  expect(await (await fetch(server.endpoint)).text()).toBe('here')
})

it('stops one that is paused', async () => {
  await using server = await new LittleServer().start()
  server.pause()
  await server.stop()
  expect(server.isRunning).toBe(false)
  expect(existsSync(server.folder)).toBe(true)
})

it('has no process id while it is down', async () => {
  await using server = await new LittleServer().start()
  await server.kill()
  expect(() => server.pid).toThrow('little is down')
})

it.runIf(process.platform === 'linux').each(['SIGKILL', 'SIGTERM'] as const)(
  'ends with the process that started it, when that gets %s',
  async signal => {
    const script = join(import.meta.dirname, 'orphan-script.ts')
    const owner = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [said] = await once(owner.stdout, 'data')
    const { pid, folder } = JSON.parse(String(said)) as { pid: number; folder: string }
    expect(isAlive(pid)).toBe(true)
    owner.kill(signal)
    await once(owner, 'exit')
    for (let i = 0; i < 200 && isAlive(pid); i++) await sleep(10)
    expect(isAlive(pid)).toBe(false)
    await removeLeftovers()
    expect(existsSync(folder)).toBe(false)
  },
)
