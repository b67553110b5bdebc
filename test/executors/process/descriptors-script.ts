import { closeSync, openSync, readdirSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { ProcessExecutor } from '../../../src/executors/process/process-executor.ts'
import { RunFolder } from '../../../src/executors/run-folder.ts'
import type { FunctionContext } from '../../../src/function/contract.ts'
import { checkManifest } from '../../../src/function/manifest-schema.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'

// A host that tells what a process finds open which it starts; then it uses up its file descriptors,
// but for a few: more of them each time. It writes how often it could not start a process, and what it
// has left of those.

const FIND = 'readlink /proc/$$/fd/40; exit 0'

const [, , folder = ''] = process.argv
const log = createLogger({ level: 'silent' })
const runFolder = await RunFolder.open({ folder, log })
const executor = new ProcessExecutor({ log, runFolder, warm: 0 })
const manifest = checkManifest({ id: 'program', version: 'v1' }, 'program')
const program = {
  kind: 'program',
  sha256: '',
  folder,
  command: ['sh', '-c', FIND],
  env: {},
  reads: [],
} as const
const code = { ...program, protocol: 'bootstrap' } as const
const instance = await executor.load({ manifest, code, env: {} })
const run = async () => instance.fetch(new Request('http://localhost/'), {} as FunctionContext)
// What it needs of its own code is read after that.
const found = await (await run()).text()

const held: number[] = []
try {
  for (;;) held.push(openSync('/dev/null', 'r'))
} catch {}
let failures = 0
let isStarted = false
while (!isStarted) {
  closeSync(held.pop() as number)
  isStarted = await run().then(
    () => true,
    () => false,
  )
  if (!isStarted) failures++
  // For errors that come later.
  await turn()
}
for (const fd of held) closeSync(fd)
await executor.close()
console.log(JSON.stringify({ found, failures, left: readdirSync(runFolder.path) }))
await runFolder.close()
