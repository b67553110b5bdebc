import { AsyncLocalStorage } from 'node:async_hooks'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { functionOfCurrentScope } from '../../src/executors/in-process/function-scope.ts'
import {
  type EvaluatedModule,
  InProcessExecutor,
} from '../../src/executors/in-process/in-process-executor.ts'
import type { Code, FunctionContext, LifecycleContext } from '../../src/function/contract.ts'
import { checkManifest } from '../../src/function/manifest-schema.ts'
import { isIncoming, toIncoming } from '../../src/http/web/incoming-request.ts'
import { evaluateArtifact } from '../../src/loader/evaluate.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { artifactOf } from '../contract/executor-artifacts.ts'
import { describeExecutor, type FixtureName } from '../contract/executor-contract.ts'
import * as functions from '../contract/executor-functions.ts'

const log = createLogger({ level: 'silent' })
const context = {} as FunctionContext

function never(): never {
  throw new Error('there is nothing to evaluate')
}

/** An executor of live values, or of the artifacts that `evaluate` makes. */
function executorOf(evaluate: () => Promise<EvaluatedModule> = never): InProcessExecutor {
  return new InProcessExecutor({ evaluate, log })
}

const live = (value: unknown, webTypes: 'platform' | 'fezz' = 'fezz'): Code => ({
  kind: 'live',
  value,
  webTypes,
})

const artifact = (exportName = 'default'): Code => ({
  kind: 'artifact',
  sha256: '0'.repeat(64),
  folder: '/nowhere',
  exportName,
  entry: '/nowhere/hello.ts',
})

function deploy(executor: InProcessExecutor, code: Code, id = 'hello') {
  return executor.load({ manifest: checkManifest({ id }, 'test'), code, env: { A: 'b' } })
}

function request(): Request {
  return toIncoming(new Request('http://localhost/'))
}

const fixtures: Readonly<Record<FixtureName, unknown>> = functions

const OWN = 'it runs in the process and the thread of the host'
const LACKING = {
  death: OWN,
  abort: OWN,
  pid: OWN,
  spinning: OWN,
  heap: OWN,
  memory: OWN,
  console: OWN,
}

describeExecutor(
  'InProcessExecutor, of live values,',
  log => ({
    executor: new InProcessExecutor({ evaluate: never, log }),
    codeOf: name => live(fixtures[name]),
  }),
  LACKING,
)

describeExecutor(
  'InProcessExecutor, of artifacts,',
  log => ({
    executor: new InProcessExecutor({ evaluate: async code => evaluateArtifact(code), log }),
    codeOf: artifactOf,
  }),
  LACKING,
)

describe('InProcessExecutor', () => {
  it('gives onLoad and onUnload a frozen env and a log of their own', async () => {
    const lines: string[] = []
    const destination = { write: (line: string) => lines.push(line) }
    const executor = new InProcessExecutor({
      evaluate: never,
      log: createLogger({ level: 'info', destination }),
    })
    const seen: LifecycleContext[] = []
    const module = {
      fetch: () => new Response(),
      onLoad: (received: LifecycleContext) => {
        seen.push(received)
        received.log.info('hello from onLoad')
      },
      onUnload: (received: LifecycleContext) => {
        seen.push(received)
      },
    }
    const instance = await deploy(executor, live(module))
    await instance.unload()
    expect(seen).toHaveLength(2)
    for (const received of seen) {
      expect(received.env).toEqual({ A: 'b' })
      expect(Object.isFrozen(received.env)).toBe(true)
    }
    expect(JSON.parse(lines[0]!)).toMatchObject({
      functionId: 'hello',
      msg: 'hello from onLoad',
    })
  })

  it('keeps what is synchronous synchronous', async () => {
    const response = new Response()
    const instance = await deploy(
      executorOf(),
      live(() => response),
    )
    expect(instance.fetch(request(), context)).toBe(response)
  })

  it("hands a platform function the platform's Request, others the host's own", async () => {
    const seen: Request[] = []
    const spy = (received: Request) => {
      seen.push(received)
      return new Response()
    }
    const executor = executorOf()
    await (await deploy(executor, live(spy, 'platform'))).fetch(request(), context)
    await (await deploy(executor, live(spy, 'fezz'))).fetch(request(), context)
    expect(seen.map(isIncoming)).toEqual([false, true])
    expect(new Request(seen[0]!).url).toBe('http://localhost/')
  })

  describe('with an artifact', () => {
    /** An executor whose artifacts export `exports`, and what happens to them. */
    function evaluating(exports: object, events: string[] = []) {
      const executor = executorOf(async () => {
        events.push('evaluate')
        return { exports, dispose: () => events.push('dispose') }
      })
      return { executor, events }
    }

    it('evaluates it for each load, and disposes of it after onUnload', async () => {
      const events: string[] = []
      const handler = {
        fetch: () => new Response('named'),
        onUnload: () => {
          events.push('onUnload')
        },
      }
      const { executor } = evaluating({ hello: handler }, events)
      for (const round of [1, 2]) {
        const instance = await deploy(executor, artifact('hello'))
        const response = await instance.fetch(request(), context)
        expect(await response.text()).toBe('named')
        await Promise.all([instance.unload(), instance.unload()])
        expect(events.splice(0), `round ${round}`).toEqual(['evaluate', 'onUnload', 'dispose'])
      }
    })

    it.each([
      ['onLoad throws', { fetch() {}, onLoad: () => Promise.reject(new Error('no')) }, 'no'],
      ['the export is no function', 5, 'a value of type number is not a function'],
      ['there is no such export', undefined, 'a value of type undefined is not a function'],
    ])('disposes of it when %s', async (_, value, message) => {
      const { executor, events } = evaluating({ default: value })
      await expect(deploy(executor, artifact())).rejects.toThrow(message)
      expect(events).toEqual(['evaluate', 'dispose'])
    })

    it('disposes of it when onUnload throws', async () => {
      const { executor, events } = evaluating({
        default: { fetch() {}, onUnload: () => Promise.reject(new Error('no')) },
      })
      const instance = await deploy(executor, artifact())
      await expect(instance.unload()).rejects.toThrow('no')
      expect(events).toEqual(['evaluate', 'dispose'])
    })

    it('rejects with what evaluating throws', async () => {
      const executor = executorOf(() => Promise.reject(new SyntaxError('in the bundle')))
      await expect(deploy(executor, artifact())).rejects.toThrow('in the bundle')
    })
  })

  it('unloads what finishes to load after it was closed', async () => {
    const events: string[] = []
    const started = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    const module = {
      fetch: () => new Response(),
      onLoad: () => {
        started.resolve()
        return go.promise
      },
      onUnload: () => {
        events.push('onUnload')
      },
    }
    const executor = executorOf()
    const loading = deploy(executor, live(module))
    await started.promise
    await executor.close()
    go.resolve()
    await expect(loading).rejects.toMatchObject({ code: 'DRAINING' })
    expect(events).toEqual(['onUnload'])
  })

  it('holds on to nothing of the function after unload, even where the instance is kept', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const executor = executorOf()
    const makeHandler = () => ({ fetch: () => new Response(), onLoad() {}, onUnload() {} })
    const load = async () => {
      const handler = makeHandler()
      const instance = await deploy(executor, live(handler))
      await instance.fetch(request(), context)
      return { instance, handler: new WeakRef(handler) }
    }
    const { instance, handler } = await load()
    collect()
    expect(handler.deref()).toBeDefined()
    await instance.unload()
    await new Promise(setImmediate)
    collect()
    expect(handler.deref()).toBeUndefined()
    expect(() => instance.fetch(request(), context)).toThrow('unloaded')
  })
})

describe('functionOfCurrentScope', () => {
  it('is the function in each hook, and in what it starts', async () => {
    const seen: unknown[] = []
    const look = () => {
      seen.push(functionOfCurrentScope())
    }
    class Looking {
      constructor() {
        look()
      }
      async onLoad() {
        await null
        look()
      }
      async fetch() {
        look()
        await new Promise(setImmediate)
        look()
        return new Response()
      }
      onUnload() {
        look()
      }
    }
    const instance = await deploy(executorOf(), live(Looking), 'looking')
    await instance.fetch(request(), context)
    await instance.unload()
    expect(seen).toEqual(Array(5).fill({ functionId: 'looking', version: 'v1' }))
    expect(functionOfCurrentScope()).toBeUndefined()
  })

  it('is the inner function where one calls another', async () => {
    const seen: (string | undefined)[] = []
    const look = () => seen.push(functionOfCurrentScope()?.functionId)
    const executor = executorOf()
    const answer = () => {
      look()
      return new Response()
    }
    const inner = await deploy(executor, live(answer), 'inner')
    const calling = async () => {
      look()
      await inner.fetch(request(), context)
      look()
      return new Response()
    }
    const outer = await deploy(executor, live(calling), 'outer')
    await outer.fetch(request(), context)
    expect(seen).toEqual(['outer', 'inner', 'outer'])
  })

  it('does not keep the asynchronous context of the request that loaded the function', async () => {
    const storage = new AsyncLocalStorage<string>()
    const seen: (string | undefined)[] = []
    const answer = () => {
      seen.push(storage.getStore())
      return new Response()
    }
    const instance = await storage.run('first request', () => deploy(executorOf(), live(answer)))
    await instance.fetch(request(), context)
    expect(seen).toEqual([undefined])
  })

  it('attributes what reaches the process to the function that started it', async () => {
    const script = join(import.meta.dirname, 'scope-script.ts')
    const { stdout } = await promisify(execFile)(process.execPath, [script])
    expect(stdout.trim().split('\n').sort()).toEqual([
      'exception at the top of the module evaluated',
      'exception in a microtask of onUnload careless',
      'exception in a timer of onLoad careless',
      'rejection after an await careless',
      'rejection in a timer of fetch careless',
      'rejection of the host nobody',
    ])
  })
})
