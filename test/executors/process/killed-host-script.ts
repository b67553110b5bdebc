import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ProcessExecutor } from '../../../src/executors/process/process-executor.ts'
import { RunFolder } from '../../../src/executors/run-folder.ts'
import type { ProgramCode } from '../../../src/function/contract.ts'
import { checkManifest } from '../../../src/function/manifest-schema.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'

// A host that the test kills: it runs programs that do all they can to outlive it, and says so.

const SERVER = `
  const { spawn } = require('node:child_process')
  const outlive = { stdio: 'ignore', detached: true }
  spawn('sleep', ['1000'], outlive).unref()
  spawn('sh', ['-c', 'setsid sleep 1000 & exit'], outlive).unref()
  require('node:http').createServer(() => {}).listen(process.env.FEZZ_SOCKET)
`

const log = createLogger({ level: 'silent' })
const runFolder = await RunFolder.open({ folder: process.argv[2] as string, log })
const executor = new ProcessExecutor({ log, runFolder, warm: 1 })
const mark = randomUUID()
const code: ProgramCode = {
  kind: 'program',
  sha256: '0'.repeat(64),
  folder: import.meta.dirname,
  command: [process.execPath, '-e', SERVER],
  protocol: 'http',
  env: { MARK: mark },
  reads: [],
}
const manifest = checkManifest({ id: 'outliving' }, 'outliving')
await Promise.all([1, 2].map(() => executor.load({ manifest, code, env: {} })))
const records = readdirSync(runFolder.path).map(
  name =>
    JSON.parse(readFileSync(join(runFolder.path, name, 'process.json'), 'utf8')) as {
      pid: number
      cgroups: string[]
    },
)
console.log(
  JSON.stringify({
    mark,
    pids: records.map(({ pid }) => pid),
    cgroups: records.flatMap(({ cgroups }) => cgroups),
  }),
)
