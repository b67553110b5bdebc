import { mkdtemp, rm } from 'node:fs/promises'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Loader } from '../../src/loader/loader.ts'
import { HhrfServer } from '../../src/runtime/server.ts'
import { LISTENERS } from '../helpers/listeners.ts'
import { WorkerdServer, workerd } from '../services/workerd.ts'
import { ask, compare } from './answer.ts'
import { cases } from './cases/index.ts'
import { permitted } from './permitted.ts'

const MODULE = join(import.meta.dirname, 'case.ts')
const program = await workerd()

describe.skipIf(program === undefined).each(LISTENERS)(
  'a Workers module answers on Fezz (%s) as on workerd',
  listener => {
    const open = new AsyncDisposableStack()
    const agent = new Agent({ keepAlive: true })
    const ports = { workerd: 0, fezz: 0 }

    beforeAll(async () => {
      const cacheDir = await mkdtemp(join(tmpdir(), 'fezz-conformance-'))
      open.defer(() => rm(cacheDir, { recursive: true, force: true }))
      const server = open.use(
        new HhrfServer({ listener, host: '127.0.0.1', port: 0, logLevel: 'silent' }, { env: {} }),
      )
      const { functions, errors } = await new Loader({ cacheDir, log: server.log }).load([MODULE])
      expect([errors, await server.deploy({ set: functions })]).toEqual([[], []])
      ports.fezz = (await server.listen()).port
      const running = open.use(await WorkerdServer.start(program!, await bundled()))
      ports.workerd = running.port
      open.defer(() => agent.destroy())
    })

    afterAll(() => open.disposeAsync())

    it.each(Array.from(cases))('%s', async (name, { sent }) => {
      const [ofWorkerd, ofFezz] = await Promise.all([
        ask(ports.workerd, agent, name, sent),
        ask(ports.fezz, agent, name, sent),
      ])
      expect(compare(ofWorkerd, ofFezz)).toEqual(permitted[name]?.differs ?? {})
    })
  },
)

it('every permitted difference is of a case', () => {
  expect(Object.keys(permitted).filter(name => !cases.has(name))).toEqual([])
})

/** The module and what it imports, as workerd takes it: one ES module. */
async function bundled(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [MODULE],
    bundle: true,
    format: 'esm',
    write: false,
  })
  return outputFiles[0]!.text
}
