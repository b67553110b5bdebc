import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { threadId } from 'node:worker_threads'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ExecutorKind } from '../../src/function/execution.ts'
import { Loader } from '../../src/loader/loader.ts'
import type { ConfigInput } from '../../src/runtime/config.ts'
import { HhrfServer } from '../../src/runtime/server.ts'

const EXAMPLES = resolve(import.meta.dirname, '../../examples')

/** Says where it runs. */
const WHERE = `import { threadId } from 'node:worker_threads'

export const manifest = { id: 'where', path: '/where' }
export default { fetch: () => Response.json({ pid: process.pid, threadId }) }
`

/**
 * The three functions of the examples behind a whole host: the same code everywhere, moved by one
 * word of its manifest.
 *
 * @param settings what the host needs to know for this executor, such as where its containers run
 */
export function describeThreeFunctions(kind: ExecutorKind, settings: ConfigInput = {}): void {
  describe(`hello, echo and counter with executor: ${kind}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'fezz-three-'))
    let server: HhrfServer

    beforeAll(async () => {
      const where = join(folder, 'where.mjs')
      writeFileSync(where, WHERE)
      const config = { logLevel: 'silent', cacheDir: join(folder, 'cache'), ...settings } as const
      server = new HhrfServer(config, { env: {} })
      const loader = new Loader({ cacheDir: server.config.cacheDir, log: server.log })
      const examples = ['hello.ts', 'echo.ts', 'counter.ts'].map(file => join(EXAMPLES, file))
      const { functions, errors } = await loader.load([...examples, where])
      expect(errors).toEqual([])
      const set = functions.map(({ manifest, code }) => ({
        manifest: { ...manifest, execution: { ...manifest.execution, executor: kind } },
        code,
      }))
      expect(await server.deploy({ set })).toEqual([])
    })

    afterAll(async () => {
      await server.close()
      rmSync(folder, { recursive: true })
    })

    const ask = async (path: string, init?: RequestInit) =>
      server.fetch(new Request(`http://localhost${path}`, init))

    it('runs them there', async () => {
      const where = (await (await ask('/where')).json()) as { pid: number; threadId: number }
      expect(where.pid === process.pid).toBe(kind === 'in-process' || kind === 'thread')
      expect(where.pid === process.pid && where.threadId === threadId).toBe(kind === 'in-process')
    })

    it('says hello', async () => {
      expect(await (await ask('/hello')).text()).toBe('Hello, World!')
      const response = await ask('/hello', { headers: { 'X-Name': 'Alice' } })
      expect(await response.text()).toBe('Hello, Alice!')
    })

    it('echoes a body as it comes, with its type', async () => {
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
      const writer = writable.getWriter()
      const first = writer.write(Buffer.from('one'))
      const headers = { 'content-type': 'text/x-odd' }
      const init = { method: 'POST', headers, body: readable, duplex: 'half' } as const
      const response = await ask('/echo', init)
      expect(response.headers.get('content-type')).toBe('text/x-odd')
      const reader = response.body!.getReader()
      expect(Buffer.from((await reader.read()).value!).toString()).toBe('one')
      await first
      const rest = Promise.all([writer.write(Buffer.from('two')), writer.close()])
      expect(Buffer.from((await reader.read()).value!).toString()).toBe('two')
      expect((await reader.read()).done).toBe(true)
      await rest
    })

    it('counts, for as long as it is loaded', async () => {
      for (const count of [1, 2, 3]) {
        expect(await (await ask('/counter')).json()).toEqual({ count })
      }
    })
  })
}
