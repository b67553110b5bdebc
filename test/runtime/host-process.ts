// A process of its own for what only a whole process shows. It prints one line of JSON and has to
// end by itself: node --expose-gc host-process.ts <folder with function.ts> <rounds>
import { join } from 'node:path'
import { Loader } from '../../src/loader/loader.ts'
import { HhrfServer } from '../../src/runtime/server.ts'

const folder = process.argv[2] as string
const rounds = Number(process.argv[3])
const WARM_UP_ROUNDS = 50

const server = new HhrfServer(
  { host: '127.0.0.1', port: 0, logLevel: 'silent', drainDelay: 0 },
  { env: {} },
)
const loader = new Loader({ cacheDir: join(folder, '.cache'), log: server.log })
const { functions, errors } = await loader.load([join(folder, 'function.ts')])
if (errors.length > 0) throw new AggregateError(errors)
await server.deploy({ set: functions })

let answered = 0
async function round(): Promise<void> {
  const response = await server.fetch(new Request('http://fezz.test/function'))
  if ((await response.text()) === 'loaded 1') answered++
  await server.host.unloadUnused()
}

async function heapBytes(): Promise<number> {
  for (let i = 0; i < 5; i++) {
    await new Promise(setImmediate)
    globalThis.gc?.()
  }
  return process.memoryUsage().heapUsed
}

for (let i = 0; i < WARM_UP_ROUNDS; i++) await round()
const before = await heapBytes()
for (let i = 0; i < rounds; i++) await round()
const growthBytes = (await heapBytes()) - before

const { port } = await server.listen()
const response = await fetch(`http://127.0.0.1:${port}/function`)
const body = await response.text()
await Promise.all([server.drain(), server.close()])
console.log(JSON.stringify({ answered: answered - WARM_UP_ROUNDS, growthBytes, body }))
