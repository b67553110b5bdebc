import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { getPriority } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { beforeAll, describe, expect, it } from 'vitest'
import { findTools } from '../../../src/executors/process/tools.ts'
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

const ONE_RUN = join(import.meta.dirname, 'one-run-script.ts')
const isRoot = process.getuid?.() === 0
const { setpriv } = findTools()

/** What a line of shell prints as a program of a host that is started by `command`. */
async function printed(line: string, [program, ...args]: readonly [string, ...string[]]) {
  const host = spawn(program, [...args, process.execPath, ONE_RUN, inNewFolder(), line], {
    env: withoutFezzVariables(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [output] = await Promise.all([text(host.stdout!), once(host, 'exit')])
  return output
}

describe.skipIf(!isRoot || setpriv === undefined)(
  'a process of a host with ambient capabilities',
  () => {
    // A root without its powers is to capabilities what any other user is, and may read this checkout.
    const GIVEN = ['--securebits=+noroot', '--inh-caps=+cap_10', '--ambient-caps=+cap_10', '--']

    it('has none of them', async () => {
      const output = await printed('grep ^CapEff: /proc/self/status', [setpriv as string, ...GIVEN])
      expect(output).toMatch(/^CapEff:\s+0{16}$/m)
    })
  },
)

describe('a process of a host that itself comes after others', () => {
  it('comes after the host', async () => {
    const [own = 0, oomScore] = (
      await printed('cut -d " " -f 19 /proc/self/stat; cat /proc/self/oom_score_adj', [
        'sh',
        '-c',
        'echo 900 > /proc/self/oom_score_adj; exec nice -n 10 "$@"',
        'sh',
      ])
    )
      .split('\n')
      .map(Number)
    expect(own).toBe(Math.min(getPriority() + 15, 19))
    expect(oomScore).toBe(900)
  })
})
