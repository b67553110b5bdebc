import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Executor } from '../../src/executors/executor.ts'
import type { Code, FunctionContext, Instance } from '../../src/function/contract.ts'
import { checkManifest } from '../../src/function/manifest-schema.ts'
import { toIncoming } from '../../src/http/web/incoming-request.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import type * as functions from './executor-functions.ts'

/** The name of a class in executor-functions.ts. */
export type FixtureName = keyof typeof functions

/** An executor under test. */
export interface ExecutorHarness {
  readonly executor: Executor
  /** The code of a fixture in a form that the executor takes. */
  codeOf(name: FixtureName): Code | Promise<Code>
  /** Removes what {@link codeOf} has made; the suite closes the executor itself. */
  close?(): Promise<void>
}

const context: Omit<FunctionContext, 'env'> = {
  functionId: 'fixture',
  version: 'v7',
  log: createLogger({ level: 'silent' }),
  params: { name: 'value' },
  requestId: 'request-1',
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  clientAddress: '192.0.2.1',
  signal: new AbortController().signal,
  waitUntil() {},
  passThroughOnException() {},
}

/** What every implementation of the Executor port must do. */
export function describeExecutor(name: string, makeHarness: () => Promise<ExecutorHarness>): void {
  describe(`${name} as an Executor`, () => {
    let harness: ExecutorHarness
    let executor: Executor
    let folder: string

    beforeEach(async () => {
      harness = await makeHarness()
      executor = harness.executor
      folder = mkdtempSync(join(tmpdir(), 'fezz-executor-'))
    })

    afterEach(async () => {
      await executor.close()
      await harness.close?.()
      rmSync(folder, { recursive: true })
    })

    const variables = () => ({ JOURNAL: join(folder, 'journal'), GREETING: 'hi' })

    const load = async (fixture: FixtureName, more: Record<string, string> = {}) => {
      const env = { ...variables(), ...more }
      const manifest = checkManifest({ id: 'fixture', version: 'v7', env }, fixture)
      return executor.load({ manifest, code: await harness.codeOf(fixture), env })
    }

    /** One call as the host makes it; what `fetch` throws becomes a rejection. */
    const call = async (
      instance: Instance,
      target: string,
      init: RequestInit = {},
      more: Partial<FunctionContext> = {},
    ): Promise<Response> => {
      const request = toIncoming(new Request(`http://localhost${target}`, init))
      return instance.fetch(request, { ...context, env: variables(), ...more })
    }

    const journal = (): string[] => {
      const file = join(folder, 'journal')
      return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
    }

    describe('load', () => {
      it('resolves when onLoad has run, and knows function and version', async () => {
        await load('Echo')
        expect(journal()).toEqual(['load fixture v7'])
      })

      it('rejects with what onLoad throws, and runs no onUnload', async () => {
        await expect(load('FaultyLoad', { FAIL: 'yes' })).rejects.toThrow('thrown in onLoad')
        await executor.close()
        expect(journal()).toEqual(['load fixture v7'])
      })

      it('rejects with what the constructor throws', async () => {
        await expect(load('FaultyConstructor')).rejects.toThrow('thrown in the constructor')
        expect(journal()).toEqual([])
      })

      it('works again after it has failed', async () => {
        await expect(load('FaultyLoad', { FAIL: 'yes' })).rejects.toThrow()
        const instance = await load('FaultyLoad')
        expect(await (await call(instance, '/')).text()).toBe('fine')
      })

      it('makes an instance of its own each time', async () => {
        const [first, second] = await Promise.all([load('Echo'), load('Echo')])
        await call(first, '/')
        expect(await (await call(first, '/')).json()).toMatchObject({ calls: 2 })
        expect(await (await call(second, '/')).json()).toMatchObject({ calls: 1 })
        await first.unload()
        expect(await (await call(second, '/')).json()).toMatchObject({ calls: 2 })
      })
    })

    describe('fetch', () => {
      it('hands over request and context, and hands back the response', async () => {
        const instance = await load('Echo')
        const response = await call(instance, '/a/b?c=d', {
          method: 'POST',
          headers: { 'x-name': 'Alice' },
          body: 'Grüße',
        })
        expect(response.status).toBe(201)
        expect(response.headers.get('content-type')).toBe('application/json')
        expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
        expect(await response.json()).toEqual({
          calls: 1,
          method: 'POST',
          url: 'http://localhost/a/b?c=d',
          header: 'Alice',
          body: 'Grüße',
          functionId: 'fixture',
          version: 'v7',
          greeting: 'hi',
          params: { name: 'value' },
          requestId: 'request-1',
          traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
          clientAddress: '192.0.2.1',
        })
      })

      it('streams request and response at the same time', async () => {
        const instance = await load('Capitals')
        const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
        const writer = writable.getWriter()
        const answering = call(instance, '/', { method: 'POST', body: readable, duplex: 'half' })
        const first = writer.write(Buffer.from('one'))
        const reader = (await answering).body!.getReader()
        expect(Buffer.from((await reader.read()).value!).toString()).toBe('ONE')
        await first
        const second = writer.write(Buffer.from('two'))
        expect(Buffer.from((await reader.read()).value!).toString()).toBe('TWO')
        await second
        await writer.close()
        expect((await reader.read()).done).toBe(true)
      })

      it('tells the function when the reader of a stream leaves', async () => {
        const instance = await load('Endless')
        const reader = (await call(instance, '/')).body!.getReader()
        expect(Buffer.from((await reader.read()).value!).toString()).toBe('tick\n')
        await reader.cancel()
        await expect.poll(journal).toEqual(['load fixture v7', 'cancelled'])
      })

      it('serves many requests at once', async () => {
        const instance = await load('Gathering')
        const calls = Array.from({ length: 50 }, () => call(instance, '/?together=50'))
        const texts = await Promise.all(calls.map(async response => (await response).text()))
        expect(new Set(texts)).toEqual(new Set(['together']))
      })

      it('fails with what the function throws or rejects with, and goes on', async () => {
        const instance = await load('Faulty')
        await expect(call(instance, '/throw')).rejects.toThrow('thrown in fetch')
        await expect(call(instance, '/reject')).rejects.toThrow('rejected in fetch')
        expect(await (await call(instance, '/')).text()).toBe('fine')
      })

      it('passes waitUntil and the signal on', async () => {
        const instance = await load('Background')
        const abort = new AbortController()
        const promises: PromiseLike<unknown>[] = []
        const response = await call(
          instance,
          '/',
          {},
          { signal: abort.signal, waitUntil: promise => promises.push(promise) },
        )
        expect(await response.text()).toBe('later')
        await expect.poll(() => promises.length).toBe(1)
        expect(journal()).toEqual(['load fixture v7'])
        abort.abort()
        await promises[0]
        expect(journal()).toEqual(['load fixture v7', 'aborted'])
      })

      it('is refused after unload', async () => {
        const instance = await load('Echo')
        await instance.unload()
        await expect(call(instance, '/')).rejects.toMatchObject({ code: 'INSTANCE_EXITED' })
      })
    })

    describe('unload', () => {
      it('runs onUnload exactly once, however often it is called', async () => {
        const instance = await load('Echo')
        await Promise.all([instance.unload(), instance.unload()])
        await instance.unload()
        expect(journal()).toEqual(['load fixture v7', 'unload fixture v7'])
      })

      it('rejects with what onUnload throws, each time, and leaves nothing to unload', async () => {
        const instance = await load('FaultyUnload')
        await expect(instance.unload()).rejects.toThrow('thrown in onUnload')
        await expect(instance.unload()).rejects.toThrow('thrown in onUnload')
        await executor.close()
        expect(journal()).toEqual(['load fixture v7', 'unload fixture v7'])
      })

      it('does not count as an exit of its own', async () => {
        const instance = await load('Echo')
        let exited = false
        instance.exited.then(() => {
          exited = true
        })
        await instance.unload()
        await new Promise(setImmediate)
        expect(exited).toBe(false)
      })
    })

    describe('close', () => {
      it('unloads what is loaded, also when an onUnload throws', async () => {
        await Promise.all([load('Echo'), load('FaultyUnload'), load('Echo')])
        await executor.close()
        const lines = journal()
        expect(lines.filter(line => line === 'load fixture v7')).toHaveLength(3)
        expect(lines.filter(line => line === 'unload fixture v7')).toHaveLength(3)
      })

      it('is idempotent, and nothing loads afterwards', async () => {
        await load('Echo')
        await Promise.all([executor.close(), executor[Symbol.asyncDispose]()])
        await executor.close()
        expect(journal()).toEqual(['load fixture v7', 'unload fixture v7'])
        await expect(load('Echo')).rejects.toThrow('closed')
      })
    })
  })
}
