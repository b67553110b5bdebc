import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import {
  INSTANCE_VARIABLE,
  InstanceFolder,
  killMarked,
  killMarkedOf,
} from '../../src/executors/instance-folder.ts'
import { wasGiven } from '../../src/executors/proc.ts'

const run = `1-2-3-4-test${process.pid}`

/** A process of an instance. */
async function start(name: string) {
  const marker = `${INSTANCE_VARIABLE}=${run}-${name}`
  const child = spawn('sleep', ['1000'], { env: { [INSTANCE_VARIABLE]: `${run}-${name}` } })
  await expect.poll(() => wasGiven(child.pid as number, marker)).toBe(true)
  return { child, ended: once(child, 'exit') }
}

it('the processes of an instance are ended, and not those of one whose name only begins so', async () => {
  const [first, other, tenth] = await Promise.all([start('i1'), start('i1'), start('i10')])
  killMarked(`${run}-i1`)
  expect(await first.ended).toEqual([null, 'SIGKILL'])
  await other.ended
  tenth.child.kill('SIGTERM')
  expect(await tenth.ended).toEqual([null, 'SIGTERM'])
})

it('the processes of all instances of a run folder are ended together', async () => {
  const [first, tenth] = await Promise.all([start('i1'), start('i10')])
  killMarkedOf(run)
  expect(await first.ended).toEqual([null, 'SIGKILL'])
  expect(await tenth.ended).toEqual([null, 'SIGKILL'])
})

/** Makes folders in one another, until no path can name the last one. */
const DIG = `
process.chdir(process.argv[1])
for (let depth = 0; depth < 40; depth++) {
  require('node:fs').mkdirSync('x'.repeat(200))
  process.chdir('x'.repeat(200))
}`

it('the folder of an instance goes, however deep and closed to its owner what is in it', async () => {
  const base = mkdtempSync(join(tmpdir(), 'fezz-instance-'))
  const folder = new InstanceFolder(base, 'i1')
  await once(spawn(process.execPath, ['-e', DIG, folder.home]), 'exit')
  const closed = join(folder.home, 'closed')
  mkdirSync(join(closed, 'inner'), { recursive: true })
  chmodSync(closed, 0)
  await folder.remove()
  expect(existsSync(folder.path)).toBe(false)
  await rm(base, { recursive: true })
})
