import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { setup } from './broker.ts'
import { etcdctl, etcdctlProgram, etcdProgram } from './etcd.ts'
import { run } from './run.ts'
import { BROKER, sharedService } from './shared.ts'

const missing = (await etcdProgram()) === undefined || (await etcdctlProgram()) === undefined
const ofThisRun = process.env[BROKER]

afterEach(() => {
  if (ofThisRun === undefined) delete process.env[BROKER]
  else process.env[BROKER] = ofThisRun
})

describe.skipIf(missing)('the services that a run shares', () => {
  it('are started once for all processes, and ended with the run', async () => {
    const end = await setup()
    const script = join(import.meta.dirname, 'shared-script.ts')
    const told = await Promise.all([0, 1, 2].map(() => run(process.execPath, [script])))
    expect(new Set(told).size).toBe(1)
    const endpoint = told[0]?.trim() ?? ''
    expect(await etcdctl(endpoint, ['put', 'key', 'value'])).toBe('OK\n')
    await end()
    await expect(fetch(`${endpoint}/health`)).rejects.toThrow()
  })

  it('are refused by a name that none has', async () => {
    const end = await setup()
    await expect(sharedService('nothing' as 'etcd')).rejects.toThrow('no shared service nothing')
    await end()
  })

  it('end with a process that belongs to no run', async () => {
    const { [BROKER]: _, ...env } = process.env
    const script = join(import.meta.dirname, 'shared-script.ts')
    const endpoint = (await run(process.execPath, [script], { env })).trim()
    expect(endpoint).toMatch(/^http:/)
    await expect(fetch(`${endpoint}/health`)).rejects.toThrow()
  })
})
