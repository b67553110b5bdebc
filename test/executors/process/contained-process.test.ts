import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { beforeAll, describe, expect, it } from 'vitest'
import { withoutFezzVariables } from './clean-variables.ts'
import { inNewFolder } from './setup.ts'

describe('a process', () => {
  let result: { found: string; failures: number; left: string[] }
  beforeAll(async () => {
    const script = join(import.meta.dirname, 'descriptors-script.ts')
    const args = ['-c', 'ulimit -n 128; exec "$@"', 'sh', process.execPath, script, inNewFolder()]
    const secret = openSync('/etc/passwd', 'r')
    const host = spawn('sh', args, {
      env: withoutFezzVariables(),
      stdio: ['ignore', 'pipe', 'inherit', ...Array(37).fill('ignore'), secret],
    })
    closeSync(secret)
    const [output] = await Promise.all([text(host.stdout!), once(host, 'exit')])
    result = JSON.parse(output)
  })

  it('has nothing open that the host was started with', () => {
    expect(result.found).toBe('/dev/null\n')
  })

  it('that cannot be started for want of file descriptors leaves nothing and ends nobody', () => {
    expect(result.failures).toBeGreaterThan(2)
    expect(result.left).toEqual([])
  })
})
