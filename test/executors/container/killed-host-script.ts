import { ContainerExecutor } from '../../../src/executors/container/container-executor.ts'
import { RunFolder } from '../../../src/executors/run-folder.ts'
import { checkManifest } from '../../../src/function/manifest-schema.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'

// A host with one container awake, one paused and one stopped, that says so and waits for its end.
const [socketPath = '', image = '', owner = '', folder = ''] = process.argv.slice(2)
const log = createLogger({ level: 'silent' })
const executor = new ContainerExecutor({
  log,
  runFolder: await RunFolder.open({ folder, log }),
  owner,
  engine: { socketPath },
})
for (const sleep of ['stop', 'pause', undefined] as const) {
  const input = { id: `f-${sleep}`, image, routes: ['/'], ...(sleep && { sleep }) }
  const manifest = checkManifest(input, 'script')
  const instance = await executor.load({ manifest, code: { kind: 'image', image }, env: {} })
  if (sleep !== undefined) await instance.unload()
}
process.stdout.write('ready\n')
setInterval(() => {}, 60_000)
