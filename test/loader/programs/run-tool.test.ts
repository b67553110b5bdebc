import { spawn, spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runTool } from '../../../src/loader/programs/run-tool.ts'
import { createProject } from '../project.ts'

const AT_ROOT = { cwd: '/', env: { PATH: process.env['PATH'] ?? '' } }
const MODULE = new URL('../../../src/loader/programs/run-tool.ts', import.meta.url).href

/** Not one that has ended and is yet to be taken note of. */
function isRunning(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' })
  return stdout.trim() !== '' && !stdout.startsWith('Z')
}

it('a tool ends with a host that is killed, and so does what it has started', async () => {
  const file = join(await createProject({}), 'pid')
  const tool = JSON.stringify(['sh', '-c', `sleep 600 & echo $! > ${file}; wait`])
  const script = `import { runTool } from '${MODULE}'; await runTool(${tool}, ${JSON.stringify(AT_ROOT)})`
  const host = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' })
  const pidOf = async () => Number(await readFile(file, 'utf8').catch(() => '0'))
  await expect.poll(pidOf, { timeout: 10_000 }).toBeGreaterThan(0)
  const pid = await pidOf()
  expect(isRunning(pid)).toBe(true)
  host.kill('SIGKILL')
  await expect.poll(() => isRunning(pid), { timeout: 10_000 }).toBe(false)
})

it('what a tool leaves running ends with it, and is not waited for', async () => {
  // It holds the output open for as long as it lives.
  expect(await runTool(['sh', '-c', 'sleep 600 & echo done'], AT_ROOT)).toMatchObject({
    isOk: true,
    output: 'done\n',
  })
})

it('what has left the group of a tool is not waited for either', async () => {
  const file = join(await createProject({}), 'pid')
  // It lives on with the output, as what runs in the background for good does.
  const script = `setsid sh -c 'echo $$ > ${file}; exec sleep 600' & until [ -s ${file} ]; do sleep 0.01; done; echo done`
  try {
    expect(await runTool(['sh', '-c', script], AT_ROOT)).toMatchObject({
      isOk: true,
      output: 'done\n',
    })
  } finally {
    process.kill(Number(await readFile(file, 'utf8')), 'SIGKILL')
  }
})

it('a tool that is not there is told', async () => {
  const { isOk, output, failure } = await runTool(['no-such-tool'], AT_ROOT)
  expect(isOk).toBe(false)
  expect(output).toContain('no-such-tool: not found')
  expect(failure).toBe('no-such-tool ended with 127')
})
