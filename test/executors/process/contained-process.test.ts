import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { withoutFezzVariables } from './clean-variables.ts'
import { inNewFolder } from './setup.ts'

const run = promisify(execFile)

it('a process that cannot be started for want of file descriptors leaves nothing and ends nobody', async () => {
  const script = join(import.meta.dirname, 'no-descriptors-script.ts')
  const host = ['-c', 'ulimit -n 128; exec "$@"', 'sh', process.execPath, script, inNewFolder()]
  const { stdout, stderr } = await run('sh', host, { env: withoutFezzVariables() })
  expect(stderr).toBe('')
  const { failures, left } = JSON.parse(stdout)
  expect(failures).toBeGreaterThan(2)
  expect(left).toEqual([])
})
