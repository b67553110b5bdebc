import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, it } from 'vitest'
import { isRunAlive } from '../../../src/executors/container/host-run.ts'
import { ownRun } from '../../../src/executors/run-owner.ts'

const MODULE = new URL('../../../src/executors/run-owner.ts', import.meta.url).href

it('a run lives as long as its process, and no other with its number', async () => {
  expect(isRunAlive(ownRun())).toBe(true)
  const script = `import(${JSON.stringify(MODULE)}).then(m => {
    console.log(m.ownRun())
    setInterval(() => {}, 1e6)
  })`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const [line] = await once(child.stdout, 'data')
  const run = String(line).trim()
  expect(isRunAlive(run)).toBe(true)
  child.kill('SIGKILL')
  await exited
  expect(isRunAlive(run)).toBe(false)
  const [pid, startTime, ...rest] = ownRun().split('-')
  expect(isRunAlive([pid, Number(startTime) + 1, ...rest].join('-'))).toBe(false)
  expect(isRunAlive('')).toBe(false)
})
