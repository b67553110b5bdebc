import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { abortRequest } from '../../../src/http/web/incoming-request.ts'
import { ask, deploymentOf, threads } from './setup.ts'

const gone = { code: 'INSTANCE_EXITED' }
const timeout = () => new DOMException('too late', 'TimeoutError')

const says = (expression: string) =>
  `export default { fetch: async () => Response.json(${expression}) }`

describe('ThreadExecutor', () => {
  it.each([
    ['an endless loop', 'for (;;) {}'],
    ['an endless chain of promises', 'const go = () => Promise.resolve().then(go); return go()'],
    [
      'a loop that the abort sets off',
      'return new Promise(() => { request.signal.onabort = () => { for (;;) {} } })',
    ],
  ])('ends %s at the deadline, with all that wait behind it', async (_name, body) => {
    const { executor } = threads()
    const code = `export default { fetch(request) {
      if (request.url.endsWith('/fine')) return new Response('fine')
      if (request.url.endsWith('/wait')) return new Promise(() => {})
      ${body}
    } }`
    const deployment = await deploymentOf(code)
    const [instance, sibling] = await Promise.all([
      executor.load(deployment),
      executor.load(deployment),
    ])
    const waiting = ask(instance, '/wait')
    const doomed = ask(instance, '/doomed')
    abortRequest(doomed.request, timeout())
    expect(await instance.exited).toMatchObject({ reason: 'killed' })
    await expect(doomed.answer).rejects.toMatchObject({ name: 'TimeoutError' })
    await expect(waiting.answer).rejects.toMatchObject(gone)
    await expect(ask(instance, '/fine').answer).rejects.toMatchObject(gone)
    expect(await ask(sibling, '/fine').text()).toBe('fine')
  })

  it('gives up a thread that is in a call outside of JavaScript, and ends it after that', async () => {
    const { executor } = threads()
    const folder = await mkdtemp(join(tmpdir(), 'fezz-thread-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const signal = join(folder, 'signal')
    const code = `import { execSync } from 'node:child_process'
      export default { fetch(request) {
        if (request.url.endsWith('/fine')) return new Response('fine')
        execSync('until [ -e ${signal} ]; do sleep 0.02; done')
      } }`
    const deployment = await deploymentOf(code)
    const stuck = await executor.load(deployment)
    const doomed = ask(stuck, '/doomed')
    abortRequest(doomed.request, timeout())
    expect(await stuck.exited).toMatchObject({ reason: 'killed' })
    await expect(ask(stuck, '/fine').answer).rejects.toMatchObject(gone)
    expect(await ask(await executor.load(deployment), '/fine').text()).toBe('fine')
    const closing = executor.close()
    await writeFile(signal, '')
    await closing
  })

  it('ends a thread whose heap is full', async () => {
    const fill = `export default { fetch() {
      const hoard = []
      for (;;) hoard.push(Array.from({ length: 100_000 }, Math.random))
    } }`
    const instance = await threads().executor.load(await deploymentOf(fill, { memory: '32MiB' }))
    await expect(ask(instance).answer).rejects.toMatchObject(gone)
    expect(await instance.exited).toMatchObject({
      reason: 'out-of-memory',
      cause: { code: 'ERR_WORKER_OUT_OF_MEMORY' },
    })
  })

  it('refuses a heap in which V8 might end the whole process at the start of a thread', async () => {
    const { executor } = threads()
    const code = 'export default () => new Response("fine")'
    const deployment = await deploymentOf(code, { memory: '2MiB' })
    executor.prepare(deployment)
    expect(executor.idle).toBe(0)
    await expect(executor.load(deployment)).rejects.toMatchObject({
      code: 'INVALID_MANIFEST',
      message: expect.stringMatching(
        /memory of 2097152 bytes is too little for a thread; write at least "16MiB"$/,
      ),
    })
    const enough = await executor.load(await deploymentOf(code, { memory: '16MiB' }))
    expect(await ask(enough).text()).toBe('fine')
  })

  it('tells the code that process.exit was given', async () => {
    const { executor } = threads()
    const code = 'export default { fetch() { process.exit(7) } }'
    const instance = await executor.load(await deploymentOf(code))
    await expect(ask(instance).answer).rejects.toMatchObject(gone)
    expect(await instance.exited).toMatchObject({
      reason: 'crash',
      cause: { message: expect.stringContaining('code 7') },
    })
  })

  it('gives a function its own variables, and nothing of the host', async () => {
    const { executor } = threads()
    const code = says('{ env: process.env, argv: process.argv.slice(2), exec: process.execArgv }')
    const deployment = await deploymentOf(code, { env: { GREETING: 'hi' } })
    const instance = await executor.load(deployment)
    expect(JSON.parse(await ask(instance).text())).toEqual({
      env: { GREETING: 'hi', FEZZ_FUNCTION_ID: 'f', FEZZ_FUNCTION_VERSION: 'v1' },
      argv: [],
      exec: [],
    })
  })

  it('shares nothing between functions, not even through what outlives an unload', async () => {
    const { executor } = threads({ warm: 2 })
    const deployment = await deploymentOf(says('globalThis.seen = (globalThis.seen ?? 0) + 1'))
    for (const _round of [1, 2, 3]) {
      const instance = await executor.load(deployment)
      expect(await ask(instance).text()).toBe('1')
      await instance.unload()
    }
  })

  it('gives a function the fezz of its own thread', async () => {
    const { executor } = threads()
    const code = `
      import { FezzError, FezzResponse } from 'fezz'
      import { FezzFunction } from 'fezz/decorators'
      @FezzFunction('hello', '/hello')
      export class Hello {
        fetch(request) {
          if (request.url.endsWith('/error')) throw new FezzError('NOT_FOUND', 'not here')
          return FezzResponse.text('hello')
        }
      }`
    const deployment = await deploymentOf(code)
    const instance = await executor.load(deployment)
    expect(await ask(instance).text()).toBe('hello')
    await expect(ask(instance, '/error').answer).rejects.toMatchObject({
      code: 'NOT_FOUND',
      status: 404,
    })
  })

  it('shows the lines of the sources in errors', async () => {
    const { executor } = threads()
    const code = "export default {\n  fetch() {\n    throw new Error('here')\n  },\n}"
    const instance = await executor.load(await deploymentOf(code))
    const error = await ask(instance).answer.catch((thrown: Error) => thrown)
    expect((error as Error).stack).toMatch(/f\.ts:3:\d+/)
  })

  it('logs no more of what a function prints than is good for the log', async () => {
    const { executor, lines } = threads()
    const code = `export default { fetch() {
      for (let line = 0; line < 20_000; line++) console.log('line ' + line)
      return new Response('printed')
    } }`
    const instance = await executor.load(await deploymentOf(code))
    expect(await ask(instance).text()).toBe('printed')
    await instance.unload()
    await expect.poll(() => lines.some(line => 'dropped' in line)).toBe(true)
    expect(lines[0]).toMatchObject({ functionId: 'f', stream: 'stdout', msg: 'line 0' })
    expect(lines.length).toBeLessThan(5_000)
  })

  it('refuses code that no thread can evaluate, and says what can', async () => {
    const { executor } = threads()
    const { manifest } = await deploymentOf(says('1'))
    const live = { kind: 'live', value: {}, webTypes: 'fezz' } as const
    const image = { kind: 'image', image: 'registry.example.com/app' } as const
    await expect(executor.load({ manifest, code: live, env: {} })).rejects.toThrow('in-process')
    await expect(executor.load({ manifest, code: image, env: {} })).rejects.toThrow('"container"')
  })

  describe('when its thread dies', () => {
    it('while it is idle, it loads anew', async () => {
      const { executor } = threads()
      const code = `export default { fetch() {
        setTimeout(() => process.exit(), 5)
        return new Response('soon')
      } }`
      const deployment = await deploymentOf(code)
      const instance = await executor.load(deployment)
      expect(await ask(instance).text()).toBe('soon')
      expect(await instance.exited).toMatchObject({ reason: 'crash' })
      await instance.unload()
      expect(await ask(await executor.load(deployment)).text()).toBe('soon')
    })

    it('while it loads, the load fails', async () => {
      const { executor } = threads()
      const top = await deploymentOf(`if (process.env.DIE) process.exit(3); ${says('1')}`)
      const dying = { ...top, env: { DIE: 'yes' } }
      await expect(executor.load(dying)).rejects.toMatchObject(gone)
      expect(await ask(await executor.load(top)).text()).toBe('1')
    })

    it('while it spins in onLoad, the load fails in time', async () => {
      const { executor } = threads({ loadTimeoutMs: 100 })
      const code = 'export default { fetch() {}, onLoad() { for (;;) {} } }'
      await expect(executor.load(await deploymentOf(code))).rejects.toMatchObject({
        code: 'FUNCTION_TIMEOUT',
      })
    })

    it('while it serves, streams end with an error', async () => {
      const { executor } = threads()
      const code = `export default { fetch(request) {
        if (request.url.endsWith('/die')) process.exit(1)
        return new Response(new ReadableStream({
          start(controller) { controller.enqueue(Buffer.from('begun')) },
        }))
      } }`
      const instance = await executor.load(await deploymentOf(code))
      const reader = (await ask(instance).answer).body!.getReader()
      await reader.read()
      void ask(instance, '/die')
      await expect(reader.read()).rejects.toMatchObject(gone)
    })

    it('while it unloads, the unload says so', async () => {
      const { executor } = threads({ unloadTimeoutMs: 100 })
      const dying = 'export default { fetch() {}, onUnload() { process.exit(1) } }'
      const spinning = 'export default { fetch() {}, onUnload() { for (;;) {} } }'
      const first = await executor.load(await deploymentOf(dying))
      await expect(first.unload()).rejects.toMatchObject(gone)
      const second = await executor.load(await deploymentOf(spinning))
      await expect(second.unload()).rejects.toMatchObject({ code: 'FUNCTION_TIMEOUT' })
    })
  })
})
