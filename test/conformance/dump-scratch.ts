import { Agent } from 'node:http'
import { join } from 'node:path'
import { build } from 'esbuild'
import { Loader } from '../../src/loader/loader.ts'
import { HhrfServer } from '../../src/runtime/server.ts'
import { WorkerdServer, workerd } from '../services/workerd.ts'
import { ask, compare } from './answer.ts'
import { cases } from './cases/index.ts'
import { permitted } from './permitted.ts'
const MODULE = join(import.meta.dirname, 'case.ts')
const server = new HhrfServer({ host: '127.0.0.1', port: 0, logLevel: 'silent' }, { env: {} })
const { functions } = await new Loader({ cacheDir: '/tmp/conf-cache', log: server.log }).load([MODULE])
await server.deploy({ set: functions })
const { port } = await server.listen()
const { outputFiles } = await build({ entryPoints: [MODULE], bundle: true, format: 'esm', write: false })
const w = await WorkerdServer.start((await workerd())!, outputFiles[0]!.text)
const agent = new Agent({ keepAlive: true })
let n = 0
const out: Record<string, unknown> = {}
for (const [name, { sent }] of cases) {
  try {
    const [a, b] = await Promise.all([ask(w.port, agent, name, sent), ask(port, agent, name, sent)])
    const d = compare(a, b)
    if (JSON.stringify(d) !== JSON.stringify(permitted[name]?.differs ?? {})) { n++; out[name] = d
      const s = JSON.stringify(d); console.log(`## ${name}\n   ${s.slice(0, 900)}`) }
    else if (process.argv[2] === name) console.log(a, b)
  } catch (e) { console.log('## ' + name, e) }
}
console.log(n, cases.size)
agent.destroy(); await w[Symbol.asyncDispose](); await server.close()
