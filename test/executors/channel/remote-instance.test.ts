import { describe, expect, it, onTestFinished } from 'vitest'
import type { Channel } from '../../../src/executors/channel/channel.ts'
import type { ToHost, ToRunner } from '../../../src/executors/channel/messages.ts'
import { RemoteInstance } from '../../../src/executors/channel/remote-instance.ts'
import type { RunnerHandle } from '../../../src/executors/channel/runner-handle.ts'
import type { ArtifactCode, FunctionContext, InstanceExit } from '../../../src/function/contract.ts'
import { checkManifest } from '../../../src/function/manifest-schema.ts'
import { abortRequest, toIncoming } from '../../../src/http/web/incoming-request.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { portPair } from './pairs.ts'

const code: ArtifactCode = {
  kind: 'artifact',
  sha256: '0'.repeat(64),
  folder: '/nowhere',
  exportName: 'default',
  entry: '/nowhere/hello.ts',
}
const deployment = { manifest: checkManifest({ id: 'hello' }, 'test'), code, env: {} }

const context = {
  params: {},
  requestId: 'r',
  traceparent: undefined,
  waitUntil() {},
} as unknown as FunctionContext

/** A runner that does what the test says, and takes down what it was told. */
class ScriptedRunner implements RunnerHandle {
  readonly channel: Channel<ToRunner, ToHost>
  readonly far: Channel<ToHost, ToRunner>
  readonly heard: ToRunner[] = []
  kills = 0
  readonly #ended = Promise.withResolvers<InstanceExit>()
  #waiting: { readonly type: ToRunner['type']; readonly found: () => void } | undefined

  constructor() {
    const { near, far } = portPair<ToRunner, ToHost>()
    this.channel = near
    this.far = far
    far.receive(message => {
      this.heard.push(message)
      if (this.#waiting?.type === message.type) this.#waiting.found()
    })
  }

  get ended(): Promise<InstanceExit> {
    return this.#ended.promise
  }

  /** Waits for a message of this type, if none has come yet. */
  async hears(type: ToRunner['type']): Promise<void> {
    if (this.heard.some(message => message.type === type)) return
    await new Promise<void>(found => {
      this.#waiting = { type, found }
    })
  }

  tell(...messages: ToHost[]): void {
    for (const message of messages) this.far.send(message)
  }

  die(exit: InstanceExit): void {
    this.far.close()
    this.#ended.resolve(exit)
  }

  async kill(): Promise<void> {
    this.kills++
    this.die({ reason: 'crash', cause: new Error('exit code 1') })
  }
}

function setup() {
  const clock = new FakeClock()
  const runner = new ScriptedRunner()
  const lines: Record<string, unknown>[] = []
  const log = createLogger({
    level: 'info',
    destination: { write: line => lines.push(JSON.parse(line)) },
  })
  const options = { log, clock, loadTimeoutMs: 30_000, unloadTimeoutMs: 10_000, killGraceMs: 500 }
  const loading = RemoteInstance.load(deployment, runner, options)
  loading.catch(() => {})
  onTestFinished(() => expect(clock.pending, 'timers left').toBe(0))
  return { clock, runner, lines, loading }
}

async function loaded() {
  const world = setup()
  world.runner.tell({ type: 'loaded' })
  const instance = await world.loading
  const send = () => {
    const request = toIncoming(new Request('http://localhost/'))
    const answer = instance.fetch(request, context)
    answer.catch(() => {})
    return { request, answer }
  }
  return { ...world, instance, send }
}

const timeout = () => new DOMException('too late', 'TimeoutError')
const gone = { code: 'INSTANCE_EXITED' }

describe('RemoteInstance', () => {
  it('tells what it loads, and the levels that the log writes', async () => {
    const { runner } = await loaded()
    await runner.hears('load')
    expect(runner.heard).toEqual([
      { type: 'load', ...deployment, logLevels: ['error', 'warn', 'info'] },
    ])
  })

  it('ends a runner that does not load in time', async () => {
    const { clock, runner, loading } = setup()
    await clock.advance(30_000)
    await expect(loading).rejects.toMatchObject({ code: 'FUNCTION_TIMEOUT' })
    expect(runner.kills).toBe(1)
  })

  it('fails to load when the runner dies first, with the cause', async () => {
    const { runner, loading } = setup()
    const cause = new Error('segmentation fault')
    runner.die({ reason: 'crash', cause })
    await expect(loading).rejects.toMatchObject({ ...gone, cause })
  })

  it('asks once for a sign of life, however many deadlines pass', async () => {
    const { clock, runner, instance, send } = await loaded()
    for (const { request } of [send(), send(), send()]) abortRequest(request, timeout())
    await runner.hears('ping')
    expect(runner.heard.filter(({ type }) => type === 'ping')).toHaveLength(1)
    runner.tell({ type: 'pong' })
    await expect.poll(() => clock.pending).toBe(0)
    await clock.advance(10_000)
    expect(runner.kills).toBe(0)
    await unloadOf(instance, runner)
  })

  it('ends a runner that gives none, before anyone hears of the requests', async () => {
    const { clock, runner, instance, send } = await loaded()
    const late = send()
    const neighbour = send()
    const order: string[] = []
    void instance.exited.then(() => order.push('exited'))
    neighbour.answer.catch(() => order.push('failed'))
    abortRequest(late.request, timeout())
    await clock.advance(499)
    expect(runner.kills).toBe(0)
    await clock.advance(1)
    const exit = await instance.exited
    expect(exit).toMatchObject({ reason: 'killed', cause: { code: 'FUNCTION_TIMEOUT' } })
    await expect(late.answer).rejects.toMatchObject(gone)
    await expect(neighbour.answer).rejects.toMatchObject(gone)
    expect(order).toEqual(['exited', 'failed'])
    expect(runner.kills).toBeGreaterThan(0)
    await instance.unload()
  })

  it('asks for no sign of life when a client leaves', async () => {
    const { clock, runner, instance, send } = await loaded()
    abortRequest(send().request)
    await runner.hears('abort')
    expect(clock.pending).toBe(0)
    await unloadOf(instance, runner)
    expect(runner.heard.map(({ type }) => type)).not.toContain('ping')
  })

  it('fails what is under way when the channel closes, and ends the runner', async () => {
    const { runner, instance, send } = await loaded()
    const waits: Promise<unknown>[] = []
    const streaming = instance.fetch(toIncoming(new Request('http://localhost/')), {
      ...context,
      waitUntil: promise => waits.push(Promise.resolve(promise)),
    } as FunctionContext)
    const head = { type: 'response', id: 1, status: 200, statusText: '', headers: [] } as const
    runner.tell(
      { type: 'wait-until', id: 1, promise: 1 },
      { ...head, body: null, stream: { length: undefined } },
    )
    const reader = (await streaming).body!.getReader()
    const { answer } = send()
    const reading = expect(reader.read()).rejects.toMatchObject(gone)
    const waiting = expect(waits[0]).rejects.toMatchObject(gone)
    runner.channel.close()
    await reading
    await waiting
    await expect(answer).rejects.toMatchObject(gone)
    expect(runner.kills).toBe(1)
    expect(() => send()).toThrow('crashed')
  })

  it('ignores what comes for a request that is over or never was', async () => {
    const { runner, instance, send } = await loaded()
    const { answer } = send()
    const head = { type: 'response', id: 1, status: 201, statusText: '', headers: [] } as const
    runner.tell(
      { type: 'chunk', id: 7, bytes: new Uint8Array(1) },
      { type: 'settled', id: 7, promise: 3, error: undefined },
      { ...head, body: 'first' },
      { ...head, body: 'second' },
      { type: 'end', id: 1 },
      { type: 'credit', id: 1, bytes: 5 },
    )
    expect(await (await answer).text()).toBe('first')
    await unloadOf(instance, runner)
  })

  it('rejects an unload that the runner does not survive, and counts it as no exit', async () => {
    const { runner, instance } = await loaded()
    const unloading = instance.unload()
    await runner.hears('unload')
    runner.die({ reason: 'crash', cause: new Error('exit code 3') })
    await expect(unloading).rejects.toMatchObject(gone)
    const quiet = new Promise(resolve => setImmediate(resolve, 'quiet'))
    expect(await Promise.race([instance.exited, quiet])).toBe('quiet')
  })

  it('ends a runner that does not unload in time', async () => {
    const { clock, runner, instance } = await loaded()
    const unloading = expect(instance.unload()).rejects.toMatchObject({ code: 'FUNCTION_TIMEOUT' })
    await clock.advance(10_000)
    await unloading
    expect(runner.kills).toBe(1)
  })
})

async function unloadOf(instance: RemoteInstance, runner: ScriptedRunner): Promise<void> {
  const unloading = instance.unload()
  await runner.hears('unload')
  runner.tell({ type: 'unloaded' })
  await unloading
}
