import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readdirSync, writeFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { beforeAll, describe, expect, it } from 'vitest'
import { Cgroups } from '../../../src/executors/cgroups.ts'
import { findTools } from '../../../src/executors/process/tools.ts'
import { checkManifest } from '../../../src/function/manifest-schema.ts'
import { withoutFezzVariables } from './clean-variables.ts'
import { artifactOf, call, inNewFolder, ProcessWorld } from './setup.ts'

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

describe('a process that the system kills for its memory', () => {
  it('is told to have had no more, though its channel breaks before it has ended', async () => {
    const root = inNewFolder()
    mkdirSync(join(root, 'memory'))
    writeFileSync(join(root, 'memory/cgroup.procs'), '')
    writeFileSync(join(root, 'membership'), '4:memory:/\n')
    const cgroups = Cgroups.open({ root, membership: join(root, 'membership') })
    await using world = await ProcessWorld.open({ cgroups })
    const source = `import { closeSync } from 'node:fs'
      export default () => { closeSync(3); return new Promise(() => {}) }`
    const manifest = checkManifest({ id: 'hungry', version: 'v1', memory: '1GiB' }, 'test')
    const deployment = { manifest, code: await artifactOf(source), env: {} }
    const instance = await world.executor.load(deployment)
    // As the kernel counts it, before anything else is to be seen of the kill.
    for (const group of readdirSync(join(root, 'memory/fezz'))) {
      writeFileSync(join(root, 'memory/fezz', group, 'memory.oom_control'), 'oom_kill 1\n')
    }
    await Promise.allSettled([call(instance)])
    expect(await instance.exited).toMatchObject({ reason: 'out-of-memory' })
  })
})
