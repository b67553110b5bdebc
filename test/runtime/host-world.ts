import { expect } from 'vitest'
import type { Deployment, FunctionContext } from '../../src/function/contract.ts'
import type { Slot } from '../../src/function/slot.ts'
import type { DeploymentChange } from '../../src/runtime/deployments.ts'
import { settled } from '../helpers/fake-clock.ts'
import { functionOf, hostSetup, openStream } from './host-setup.ts'

/** One step of a random run. `pick` chooses among what there is at that moment. */
export type Command =
  | { readonly do: 'request'; readonly id: Id; readonly leaves: boolean }
  | { readonly do: 'answer'; readonly pick: number; readonly how: Answer }
  | { readonly do: 'endStream' | 'failStream' | 'cancelStream'; readonly pick: number }
  | { readonly do: 'waitUntil' | 'endWait'; readonly pick: number }
  | { readonly do: 'deploy'; readonly ids: readonly Id[]; readonly load: LoadKind }
  | { readonly do: 'remove'; readonly id: Id }
  | { readonly do: 'die'; readonly pick: number }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'openGates' | 'unloadUnused' | 'leave' | 'close' }
  /** `turn` lets one microtask run, `settle` all. Until then everything happens at once. */
  | { readonly do: 'turn' | 'settle' }

export type Id = 'a' | 'b'
type Answer = 'text' | 'stream' | 'throw' | 'nothing'
export type LoadKind = 'fast' | 'slow' | 'broken' | 'preloaded'

const TIMEOUT_MS = 3_000
const MAX_CONCURRENCY = 2
/** What a request may find where no function is. */
const NONE = 'none'

interface Sent {
  readonly number: string
  readonly startedMs: number
  /** Versions that it may have found when it came. */
  readonly allowed: ReadonlySet<string>
  readonly client: AbortController
  /** How it was answered: the status, and what the problem or the function says. */
  answered: string | undefined
  answers: number
  call: Called | undefined
}

interface Called {
  readonly sent: Sent
  readonly context: FunctionContext
  readonly settle: (how: Answer) => void
  told: Answer | undefined
  stream: ReturnType<typeof openStream> | undefined
  reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  streamOver: boolean
  readonly waits: { readonly untilMs: number; over: boolean; readonly end: () => void }[]
}

/** One object that the host has made of a function. */
interface Made {
  readonly calls: Called[]
  loaded: boolean
  unloads: number
}

/**
 * A host with two functions, and books of its own about them: who asked when, which versions were
 * in force then, what each instance was doing when it was unloaded.
 */
export class World {
  readonly #host = hostSetup({
    idleTtl: '1s',
    loadTimeout: '2s',
    unloadTimeout: '1s',
    queueTimeout: '500ms',
    maxQueue: 2,
    maxLoaded: 1,
    logLevel: 'silent',
  })
  readonly #sent: Sent[] = []
  readonly #made: Made[] = []
  readonly #calls: Called[] = []
  readonly #slots = new Set<Slot>()
  #gates: (() => void)[] = []
  /** What is in force, and what is on its way there. */
  readonly #current = new Map<Id, string>()
  readonly #coming = new Set<{ readonly id: Id; readonly version: string }>()
  #versions = 0
  readonly #violations: unknown[] = []
  #closing: Promise<void> | undefined

  async run(commands: readonly Command[]): Promise<void> {
    for (const command of commands) {
      await this.#do(command)
      this.#check()
    }
    await this.#finish()
  }

  async #do(command: Command): Promise<void> {
    const { host, clock, executor } = this.#host
    switch (command.do) {
      case 'request':
        return this.#request(command.id, command.leaves)
      case 'answer':
        return pick(this.#untold(), command.pick)?.settle(command.how)
      case 'endStream':
        return this.#endStream(command.pick, call => call.stream?.end())
      case 'failStream':
        return this.#endStream(command.pick, call => call.stream?.fail(new Error('torn')))
      case 'cancelStream':
        return this.#endStream(command.pick, call => void call.reader?.cancel())
      case 'waitUntil': {
        const call = pick(this.#untold(), command.pick)
        if (call !== undefined) this.#waitUntil(call)
        return
      }
      case 'endWait':
        return pick(this.#waits(), command.pick)?.end()
      case 'deploy':
        return this.#deploy(command.ids, command.load)
      case 'remove':
        return this.#change([{ id: command.id, version: NONE }], { remove: [command.id] })
      case 'die': {
        const alive = executor.instances.filter(each => !each.dead && each.unloads === 0)
        void pick(alive, command.pick)?.die()
        return
      }
      case 'advance':
        return clock.advance(command.ms)
      case 'openGates':
        return this.#openGates()
      case 'unloadUnused':
        return void host.unloadUnused()
      case 'leave':
        return this.#sent.at(-1)?.client.abort()
      case 'close':
        // What is being deployed just then is a test of its own in host-interleavings.test.ts.
        this.#closing ??= host.close()
        return
      case 'turn':
        return await Promise.resolve()
      case 'settle':
        return settled()
    }
  }

  #request(id: Id, leaves: boolean): void {
    const coming = [...this.#coming].filter(each => each.id === id)
    const client = new AbortController()
    const sent: Sent = {
      number: `r${this.#sent.length}`,
      startedMs: this.#host.clock.now(),
      allowed: new Set([this.#current.get(id) ?? NONE, ...coming.map(each => each.version)]),
      client,
      answered: undefined,
      answers: 0,
      call: undefined,
    }
    this.#sent.push(sent)
    const headers = { 'x-request-id': sent.number }
    const answer = this.#host.fetch(`/${id}`, { headers, signal: client.signal })
    if (leaves) client.abort()
    if (answer instanceof Promise) void answer.then(response => this.#answered(sent, response))
    else this.#answered(sent, answer)
  }

  #answered(sent: Sent, response: Response): void {
    sent.answers++
    this.#demand(() => expect(response.headers.get('x-request-id')).toBe(sent.number))
    const version = response.headers.get('x-version')
    sent.answered = version === null ? String(response.status) : version
    if (response.status === 504) {
      const tookMs = this.#host.clock.now() - sent.startedMs
      this.#demand(() => expect(tookMs).toBe(TIMEOUT_MS))
    }
    const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>
    if (sent.call?.stream !== undefined) sent.call.reader = reader
    const read = async (): Promise<void> => {
      while (!(await reader.read()).done);
    }
    read().catch(() => {})
  }

  #deploy(ids: readonly Id[], load: LoadKind): void {
    const coming = ids.map(id => ({ id, version: `v${++this.#versions}` }))
    const set = coming.map(({ id, version }) => this.#function(id, version, load))
    this.#change(coming, { set })
  }

  #change(
    coming: readonly { readonly id: Id; readonly version: string }[],
    change: DeploymentChange,
  ): void {
    for (const each of coming) this.#coming.add(each)
    void this.#host.host.deploy(change).then(failures => {
      const failed = new Set(failures.map(failure => failure.id))
      for (const each of coming) {
        this.#coming.delete(each)
        if (!failed.has(each.id)) this.#current.set(each.id, each.version)
      }
      for (const { slot } of this.#host.host.deployments.functions.values()) this.#slots.add(slot)
    })
  }

  #function(id: Id, version: string, load: LoadKind): Deployment {
    const world = this
    class Versioned {
      readonly made: Made = { calls: [], loaded: false, unloads: 0 }

      async onLoad(): Promise<void> {
        if (load === 'slow') await new Promise<void>(resolve => world.#gates.push(resolve))
        if (load === 'broken') throw new Error('broken')
        this.made.loaded = true
        world.#made.push(this.made)
      }

      fetch(_: Request, context: FunctionContext): Promise<Response> {
        world.#demand(() => expect(this.made).toMatchObject({ loaded: true, unloads: 0 }))
        return world.#called(this.made, version, context)
      }

      onUnload(): void {
        this.made.unloads++
        const used = this.made.calls.filter(call => world.#uses(call))
        world.#demand(() => expect(used.map(call => call.sent.number)).toEqual([]))
      }
    }
    return functionOf(Versioned, {
      id,
      version,
      timeout: `${TIMEOUT_MS}ms`,
      preload: load === 'preloaded',
      ...(id === 'b' && { maxConcurrency: MAX_CONCURRENCY }),
    })
  }

  #called(made: Made, version: string, context: FunctionContext): Promise<Response> {
    const sent = this.#sent[Number(context.requestId.slice(1))] as Sent
    this.#demand(() => expect(sent.call).toBeUndefined())
    this.#demand(() => expect(sent.allowed).toContain(version))
    const { promise, resolve, reject } = Promise.withResolvers<Response>()
    const headers = { 'x-version': version }
    const call: Called = {
      sent,
      context,
      settle: how => {
        call.told = how
        if (how === 'throw') reject(new Error('thrown'))
        else if (how === 'nothing') resolve(undefined as never)
        else if (how === 'text') resolve(new Response(version, { headers }))
        else {
          call.stream = openStream()
          resolve(new Response(call.stream.body, { headers }))
        }
      },
      told: undefined,
      stream: undefined,
      reader: undefined,
      streamOver: false,
      waits: [],
    }
    sent.call = call
    made.calls.push(call)
    this.#calls.push(call)
    return promise
  }

  /** Whether a call certainly needs its instance: its own answer, its stream, its background work. */
  #uses(call: Called): boolean {
    const nowMs = this.#host.clock.now()
    if (this.#hasDied(call)) return false
    if (call.waits.some(wait => !wait.over && nowMs < wait.untilMs)) return true
    const { answered, startedMs } = call.sent
    if (call.told === undefined) {
      return answered === undefined && nowMs < startedMs + TIMEOUT_MS
    }
    return call.reader !== undefined && !call.streamOver
  }

  /** A dead instance is out of use at once; its host then still closes what stands in for it here. */
  #hasDied(call: Called): boolean {
    const { instances } = this.#host.executor
    return instances.some(
      each => each.dead && each.deployment.manifest.version === call.context.version,
    )
  }

  #waitUntil(call: Called): void {
    const { promise, resolve } = Promise.withResolvers<void>()
    const wait = {
      untilMs: this.#host.clock.now() + TIMEOUT_MS,
      over: false,
      end: () => {
        wait.over = true
        resolve()
      },
    }
    call.waits.push(wait)
    call.context.waitUntil(promise)
  }

  #endStream(at: number, end: (call: Called) => void): void {
    const call = pick(this.#streams(), at)
    if (call === undefined) return
    call.streamOver = true
    end(call)
  }

  #untold(): Called[] {
    return this.#calls.filter(call => call.told === undefined)
  }

  #waits() {
    return this.#calls.flatMap(call => call.waits).filter(wait => !wait.over)
  }

  #streams(): Called[] {
    return this.#calls.filter(call => call.reader !== undefined && !call.streamOver)
  }

  #openGates(): void {
    for (const open of this.#gates.splice(0)) open()
  }

  /** An expectation where the host would catch what it throws. */
  #demand(check: () => void): void {
    try {
      check()
    } catch (error) {
      this.#violations.push(error)
    }
  }

  /** What must hold at any time. */
  #check(): void {
    for (const violation of this.#violations) throw violation
    const { host, clock } = this.#host
    expect(host.inFlight).toBeGreaterThanOrEqual(0)
    for (const slot of this.#slots) {
      expect(slot.active).toBeGreaterThanOrEqual(0)
      if (slot.id === 'b') expect(slot.active).toBeLessThanOrEqual(MAX_CONCURRENCY)
    }
    for (const { answered, startedMs, number } of this.#sent) {
      if (clock.now() > startedMs + TIMEOUT_MS) expect([number, answered]).not.toContain(undefined)
    }
  }

  /** Lets everything end, and looks at what is left. */
  async #finish(): Promise<void> {
    const { host, clock, metrics, executor } = this.#host
    // Queued requests may be called only when others have ended.
    while (this.#sent.some(each => each.answered === undefined) || this.#coming.size > 0) {
      this.#openGates()
      for (const call of this.#untold()) call.settle('text')
      await clock.advance(500)
    }
    const isClosedLast = this.#closing === undefined
    const inForce = [...host.deployments.functions.values()].map(({ slot }) => slot.deployment)
    this.#closing ??= host.close()
    for (const call of this.#untold()) call.settle('stream')
    for (const wait of this.#waits()) wait.end()
    while (this.#streams().length > 0) this.#endStream(0, call => call.stream?.end())
    this.#openGates()
    await clock.advance(60_000)
    await this.#closing
    await clock.advance(60_000)

    this.#check()
    for (const sent of this.#sent) this.#checkAnswer(sent)
    expect(host.inFlight).toBe(0)
    for (const slot of this.#slots) {
      expect([slot.active, slot.inUse, slot.state]).toEqual([0, false, 'Unloaded'])
      expect(metrics.forFunction(slot.id).inFlight).toBe(0)
    }
    for (const { dead, unloads } of executor.instances) {
      if (dead) expect(unloads).toBeLessThanOrEqual(1)
      else expect(unloads).toBe(1)
    }
    for (const { unloads } of this.#made) expect(unloads).toBe(1)
    this.#checkPrepared(isClosedLast ? inForce : undefined)
    expect(clock.pending).toBe(0)
    metrics.close()
  }

  /** @param inForce what the host still served when it was told to close, if that is known */
  #checkPrepared(inForce: readonly Deployment[] | undefined): void {
    const { prepared, forgotten } = this.#host.executor
    expect(new Set(prepared).size).toBe(prepared.length)
    expect(new Set(forgotten).size).toBe(forgotten.length)
    const kept = prepared.filter(deployment => !forgotten.includes(deployment))
    expect(kept.length + forgotten.length).toBe(prepared.length)
    if (inForce !== undefined) expect(new Set(kept)).toEqual(new Set(inForce))
  }

  #checkAnswer({ answered, answers, allowed, number, call }: Sent): void {
    expect([number, answers]).toEqual([number, 1])
    const isVersion = answered?.startsWith('v')
    if (isVersion) expect(allowed).toContain(answered)
    if (isVersion) expect(['text', 'stream']).toContain(call?.told)
    else if (answered === '404') expect(allowed).toContain(NONE)
    else if (answered === '500') expect(['throw', 'nothing']).toContain(call?.told)
    else if (answered === '429') expect(call).toBeUndefined()
    else if (answered === '502') expect(call).toBeDefined()
    else expect(['503', '504']).toContain(answered)
  }
}

function pick<T>(list: readonly T[], at: number): T | undefined {
  return list[at % list.length]
}
