import { ProcessExecutor } from '../../../src/executors/process/process-executor.ts'
import { RunFolder } from '../../../src/executors/run-folder.ts'
import type { FunctionContext } from '../../../src/function/contract.ts'
import { checkManifest } from '../../../src/function/manifest-schema.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'

// A host that runs a line of shell as a program, once, and prints what that has printed.

const [, , folder = '', line = ''] = process.argv
const log = createLogger({ level: 'silent' })
const runFolder = await RunFolder.open({ folder, log })
const executor = new ProcessExecutor({ log, runFolder, warm: 0 })
const manifest = checkManifest({ id: 'program', version: 'v1' }, 'program')
const program = { kind: 'program', sha256: '', folder, env: {}, reads: [] } as const
const code = { ...program, command: ['sh', '-c', line], protocol: 'bootstrap' } as const
const instance = await executor.load({ manifest, code, env: {} })
const answer = await instance.fetch(new Request('http://localhost/'), {} as FunctionContext)
process.stdout.write(await answer.text())
await executor.close()
await runFolder.close()
