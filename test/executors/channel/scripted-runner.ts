import { expect, onTestFinished } from 'vitest'
import type { Channel } from '../../../src/executors/channel/channel.ts'
import type { ToHost, ToRunner } from '../../../src/executors/channel/messages.ts'
import { RemoteInstance } from '../../../src/executors/channel/remote-instance.ts'
import type { RunnerHandle } from '../../../src/executors/channel/runner-handle.ts'
import type { ArtifactCode, FunctionContext, InstanceExit } from '../../../src/function/contract.ts'
import type { ManifestInput } from '../../../src/function/manifest.ts'
import { checkManifest } from '../../../src/function/manifest-schema.ts'
import { toIncoming } from '../../../src/http/web/incoming-request.ts'
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

export const context = {
  params: {},
  requestId: 'r',
  traceparent: undefined,
  waitUntil() {},
} as unknown as FunctionContext

/** A runner that does what the test says, and takes down what it was told. */
export class ScriptedRunner implements RunnerHandle {
  readonly channel: Channel<ToRunner, ToHost>
  readonly far: Channel<ToHost, ToRunner>
  readonly heard: ToRunner[] = []
  kills = 0
  /** Whether a kill ends it, as it does a thread that is not in a call outside of JavaScript. */
  dies = true
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
    if (this.dies) this.die({ reason: 'crash', cause: new Error('exit code 1') })
    await this.ended
  }
}

/** An instance that loads in such a runner. */
export function setup(input: Partial<ManifestInput> = {}) {
  const deployment = { manifest: checkManifest({ id: 'hello', ...input }, 'test'), code, env: {} }
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
  return { clock, runner, lines, loading, deployment }
}

/** One that has loaded. */
export async function loaded(input: Partial<ManifestInput> = {}) {
  const world = setup(input)
  world.runner.tell({ type: 'loaded' })
  const instance = await world.loading
  const send = (init: RequestInit = {}, own: FunctionContext = context) => {
    const request = toIncoming(new Request('http://localhost/', init))
    const answer = instance.fetch(request, own)
    answer.catch(() => {})
    return { request, answer }
  }
  return { ...world, instance, send }
}

/** Unloads it, as a runner does that has no onUnload. */
export async function unloadOf(instance: RemoteInstance, runner: ScriptedRunner): Promise<void> {
  const unloading = instance.unload()
  await runner.hears('unload')
  runner.tell({ type: 'unloaded' })
  await unloading
}
