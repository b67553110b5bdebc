import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const SCRIPT = resolve(import.meta.dirname, 'soak-script.ts')
const CONNECTIONS = '500'

it('random clients get right answers, and leave nothing behind', { timeout: 120_000 }, async () => {
  // A rejection has all that it said, with the seed that does it again.
  const args = ['--expose-gc', SCRIPT, CONNECTIONS]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  expect(stdout).toMatch(/ requests, 0 failed, /)
})
