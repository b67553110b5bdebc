import { describe, expect, it } from 'vitest'
import type { Executor } from '../../src/executors/executor.ts'
import { executorKindOf, ownPortOf } from '../../src/executors/executor-kind.ts'
import { Executors } from '../../src/executors/executors.ts'
import type { Code, Deployment } from '../../src/function/contract.ts'
import type { Execution, ExecutorKind } from '../../src/function/execution.ts'
import { FakeClock, settled } from '../helpers/fake-clock.ts'
import { deploymentOf } from '../helpers/fake-instance.ts'

const CODES: Readonly<Record<Code['kind'], Code>> = {
  live: { kind: 'live', value: undefined, webTypes: 'fezz' },
  artifact: { kind: 'artifact', sha256: '0', folder: '/f', exportName: 'default', entry: '/f/x' },
  program: {
    kind: 'program',
    sha256: '0',
    folder: '/f',
    command: ['./x'],
    protocol: 'http',
    env: {},
    reads: [],
  },
  image: { kind: 'image', image: 'x' },
}

function deployment(kind: Code['kind'], execution: Execution = {}): Deployment {
  return { ...deploymentOf('f', { execution }), code: CODES[kind] }
}

describe('ownPortOf', () => {
  it.each([
    [80, { handlerPort: 80 }],
    [undefined, {}],
    [undefined, { handlerPort: 80, executor: 'container' }],
    [undefined, { handlerPort: 80, network: false }],
  ] as const)('is %s of a program with %j', (port, execution) => {
    expect(ownPortOf(deployment('program', execution))).toBe(port)
  })

  it('is undefined of JavaScript, also of what only the default of a host can run', () => {
    const one = deployment('artifact', { sandbox: 'namespaces' })
    expect(executorKindOf(one, 'process')).toBe('process')
    expect(ownPortOf(one)).toBeUndefined()
  })
})

describe('executorKindOf', () => {
  it.each([
    ['live', 'thread', 'in-process'],
    ['artifact', 'thread', 'thread'],
    ['artifact', 'in-process', 'in-process'],
    ['program', 'thread', 'process'],
    ['image', 'thread', 'container'],
  ] as const)('runs %s, on a host whose default is %s, in %s', (code, byDefault, kind) => {
    expect(executorKindOf(deployment(code), byDefault)).toBe(kind)
  })

  it.each(['in-process', 'thread', 'process', 'container'] as const)(
    'runs JavaScript where its manifest says: %s',
    executor => {
      expect(executorKindOf(deployment('artifact', { executor }), 'in-process')).toBe(executor)
    },
  )

  it.each([
    [
      'live',
      'thread',
      'executor "thread" cannot run a value of the embedding program; write "in-process"',
    ],
    ['program', 'in-process', 'cannot run a program; write "process" or "container"'],
    ['image', 'process', 'cannot run a container image; write "container"'],
  ] as const)('refuses %s in %s', (code, executor, message) => {
    expect(() => executorKindOf(deployment(code, { executor }), 'in-process')).toThrow(message)
  })

  it.each([
    [{ sandbox: 'namespaces' }, 'sandbox "namespaces" does not hold in executor "in-process"'],
    [{ network: false, executor: 'thread' }, 'network false does not hold in executor "thread"'],
    [{ user: 'nobody' }, 'write executor "process" or "container", or remove it'],
    [{ readOnly: true, executor: 'process' }, 'write executor "container", or remove it'],
  ] as const)('never runs without what is to keep it apart: %j', (execution, message) => {
    expect(() => executorKindOf(deployment('artifact', execution), 'in-process')).toThrow(message)
  })

  it.each([
    ['artifact', { command: ['./x'] }, "command [ './x' ] is for programs and images"],
    ['live', { image: 'x' }, 'image "x" is for programs and images'],
    ['artifact', { runtime: 'python', executor: 'process' }, 'declare the program in a fezz.json'],
    ['artifact', { protocol: 'bootstrap' }, 'its code is JavaScript; remove it'],
    ['artifact', { memoryBytes: 2 ** 22, executor: 'thread' }, 'memory of 4194304 bytes is too'],
    ['artifact', { handlerPort: 80 }, 'handlerPort 80 is for programs and images'],
    ['program', { handlerPort: 80, maxInstances: 2 }, '2 instances cannot share handlerPort 80'],
  ] as const)('refuses %s with what it has no use for: %j', (code, execution, message) => {
    expect(() => executorKindOf(deployment(code, execution), 'in-process')).toThrow(message)
  })

  it.each([
    ['program', { command: ['./x'], protocol: 'http', runtime: 'go' }],
    ['image', { image: 'x', command: ['./x'] }],
    ['image', { handlerPort: 80, instances: 2 }],
    ['program', { handlerPort: 80, instances: 2, executor: 'container' }],
    ['program', { handlerPort: 80, instances: 2, network: false }],
    ['artifact', { memoryBytes: 2 ** 22, executor: 'process' }],
  ] as const)('runs %s with what is for it: %j', (code, execution) => {
    expect(() => executorKindOf(deployment(code, execution), 'in-process')).not.toThrow()
  })

  it.each([
    { sandbox: 'none', network: true, readOnly: false, executor: 'thread' },
    { sandbox: 'namespaces', network: false, user: 'nobody', executor: 'process' },
    { sandbox: 'namespaces', network: false, user: '1', readOnly: true, executor: 'container' },
  ] as const)('runs with what its executor holds: %j', execution => {
    expect(executorKindOf(deployment('artifact', execution), 'in-process')).toBe(execution.executor)
  })
})

/** An executor that writes down what it is told. */
class Recorded implements Executor {
  readonly calls: string[] = []
  readonly kind: ExecutorKind

  constructor(kind: ExecutorKind) {
    this.kind = kind
  }

  prepare({ manifest }: Deployment): void {
    this.calls.push(`prepare ${manifest.id}`)
  }

  async load({ manifest }: Deployment) {
    this.calls.push(`load ${manifest.id}`)
    return {
      fetch: () => new Response(),
      unload: async () => {},
      exited: new Promise<never>(() => {}),
    }
  }

  async forget({ manifest }: Deployment) {
    this.calls.push(`forget ${manifest.id}`)
  }

  async close() {
    this.calls.push('close')
  }

  [Symbol.asyncDispose]() {
    return this.close()
  }
}

function setup() {
  const made: Recorded[] = []
  const ensured: string[] = []
  const attempts = { failing: false }
  const make = (kind: ExecutorKind) => {
    if (attempts.failing) throw new Error('it cannot be opened')
    const executor = new Recorded(kind)
    made.push(executor)
    return executor
  }
  const inProcess = new Recorded('in-process')
  const clock = new FakeClock()
  const executors = new Executors({
    inProcess,
    clock,
    ensure: async ({ sha256 }) => {
      ensured.push(sha256)
    },
    closed: async () => {
      ensured.push('closed')
    },
    open: {
      thread: () => make('thread'),
      process: () => make('process'),
      container: async () => make('container'),
    },
  })
  return { executors, inProcess, made, attempts, ensured, clock }
}

describe('Executors', () => {
  it('opens an executor when it is first needed, once', async () => {
    const { executors, made } = setup()
    await executors.load(deployment('live'))
    expect(made).toEqual([])
    const inThread = deployment('artifact', { executor: 'thread' })
    await Promise.all([executors.load(inThread), executors.load(inThread)])
    expect(made.map(({ kind, calls }) => [kind, calls])).toEqual([['thread', ['load f', 'load f']]])
  })

  it('makes sure of an artifact before it loads it, wherever that is', async () => {
    const { executors, ensured } = setup()
    await executors.load(deployment('artifact'))
    await executors.load(deployment('artifact', { executor: 'process' }))
    await executors.load(deployment('live'))
    expect(ensured).toEqual(['0', '0'])
  })

  it('prepares with the executor of the deployment, and in-process not at all', async () => {
    const { executors, inProcess, made } = setup()
    executors.prepare(deployment('live'))
    executors.prepare(deployment('image'))
    await expect.poll(() => made[0]?.calls).toEqual(['prepare f'])
    expect(made[0]?.kind).toBe('container')
    expect(inProcess.calls).toEqual([])
  })

  it('forgets without opening what was never used', async () => {
    const { executors, made } = setup()
    await executors.forget(deployment('program'))
    expect(made).toEqual([])
    await executors.load(deployment('program'))
    await executors.forget(deployment('program'))
    expect(made[0]?.calls).toEqual(['load f', 'forget f'])
  })

  it('tries to open again what could not be opened', async () => {
    const { executors, made, attempts } = setup()
    attempts.failing = true
    executors.prepare(deployment('image'))
    await expect(executors.load(deployment('image'))).rejects.toThrow('it cannot be opened')
    attempts.failing = false
    await executors.load(deployment('image'))
    expect(made).toHaveLength(1)
  })

  it('closes what was opened, once, and opens nothing afterwards', async () => {
    const { executors, inProcess, made, ensured } = setup()
    await executors.load(deployment('program'))
    await Promise.all([executors.close(), executors[Symbol.asyncDispose]()])
    expect(inProcess.calls).toEqual(['close'])
    expect(made[0]?.calls).toEqual(['load f', 'close'])
    expect(ensured).toEqual(['closed'])
    await expect(executors.load(deployment('image'))).rejects.toMatchObject({ code: 'DRAINING' })
  })

  it('closes all the same when a function in the process itself does not end', async () => {
    const { executors, inProcess, made, ensured, clock } = setup()
    inProcess.close = () => new Promise(() => {})
    await executors.load(deployment('program'))
    const closing = executors.close()
    await settled()
    expect(made[0]?.calls).toEqual(['load f', 'close'])
    expect(ensured).toEqual([])
    await clock.advance(1_000)
    await closing
    expect(ensured).toEqual(['closed'])
  })
})
