import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cgroups } from '../../../src/executors/cgroups.ts'
import type { Instance } from '../../../src/function/contract.ts'
import { countGiven } from './running.ts'
import { call, ProcessWorld, type Program } from './setup.ts'

/** A Node server that runs `work` for a request of `/` and answers with what that returns. */
function node(work: string): Program {
  const text = `
    const { spawn } = require('node:child_process')
    const fs = require('node:fs')
    const work = () => { ${work} }
    require('node:http')
      .createServer((request, response) => response.end(String(request.url === '/' ? work() : 'fine')))
      .listen(process.env.FEZZ_SOCKET)
  `
  return { files: { 'main.cjs': text }, command: [process.execPath, './main.cjs'] }
}

/** A shell script that is run for each request. */
function script(text: string): Program {
  return { files: {}, command: ['sh', '-c', text], protocol: 'bootstrap' }
}

const EAT = 'const all = []; setInterval(() => all.push(Buffer.alloc(2e7, 1)), 5)'

/** A variable that tells the processes of one test from all others. */
function mark(): { env: Record<string, string>; count(): number } {
  const value = randomUUID()
  return { env: { MARK: value }, count: () => countGiven(`MARK=${value}`) }
}

const { controllers } = Cgroups.open()

describe.each([
  ['what this machine offers', {}],
  ['what every Linux offers', { cgroups: Cgroups.none(), tools: {} }],
])('the limits of a process, by %s', (_name, system) => {
  let world: ProcessWorld
  let neighbour: Instance
  beforeAll(async () => {
    world = await ProcessWorld.open(system)
    neighbour = await world.load(node(''))
  })
  afterAll(() => world[Symbol.asyncDispose]())

  const expectNeighbourAlive = async () =>
    expect(await (await call(neighbour, '/neighbour')).text()).toBe('fine')

  it.each([
    ['itself', node(EAT)],
    [
      'through a child of a child',
      node(`spawn('sh', ['-c', '"$0" -e "$1" & wait', process.execPath, '${EAT}'])`),
    ],
    [
      'through a child that has left its session',
      node(`spawn(process.execPath, ['-e', '${EAT}'], { detached: true }).unref()`),
    ],
  ])('memory: ends a program that takes too much %s', async (_who, program) => {
    const { env, count } = mark()
    const instance = await world.load(program, { memory: '250MiB', env })
    await Promise.allSettled([call(instance)])
    expect(await instance.exited).toMatchObject({ reason: 'out-of-memory' })
    expect(count()).toBe(0)
    await expectNeighbourAlive()
  })

  it('memory: ends one run of a bootstrap program', async () => {
    const instance = await world.load(
      { files: {}, command: [process.execPath, '-e', EAT], protocol: 'bootstrap' },
      { memory: '250MiB' },
    )
    await expect(call(instance)).rejects.toMatchObject({
      code: 'FUNCTION_ERROR',
      cause: { message: expect.stringContaining('memory') },
    })
    await expectNeighbourAlive()
  })

  it('pids: bounds a fork bomb, which leaves nothing', async () => {
    const { env, count } = mark()
    // Of bounded size: where only a look now and then holds it, one that doubles outruns a busy host.
    const bomb = script('i=0; while [ $i -lt 300 ]; do sleep 2 & i=$((i+1)); done; wait')
    const instance = await world.load(bomb, { pids: 32, env })
    await Promise.allSettled([call(instance)])
    expect(count()).toBe(0)
    await expectNeighbourAlive()
  })

  it('openFiles: stops a leak of file descriptors', async () => {
    const instance = await world.load(
      node('try { for (;;) fs.openSync("/dev/null") } catch (error) { return error.code }'),
      { openFiles: 64 },
    )
    expect(await (await call(instance)).text()).toBe('EMFILE')
    await expectNeighbourAlive()
  })

  it('cpuTime: ends what computes for too long', async () => {
    const instance = await world.load(node('for (;;);'), { cpuTime: '1s' })
    await Promise.allSettled([call(instance)])
    expect(await instance.exited).toMatchObject({
      reason: 'killed',
      cause: { message: expect.stringContaining('cpuTime') },
    })
    await expectNeighbourAlive()
  })

  it('writes no core dump', async () => {
    const instance = await world.load(script('ulimit -c'))
    expect(await (await call(instance)).text()).toBe('0\n')
  })

  it.each([
    ['in its session', `spawn('sh', ['-c', 'sleep 1000 & sleep 1000'])`],
    [
      'out of its session, with no parent left',
      `spawn('sh', ['-c', 'setsid sleep 1000 & setsid sleep 1000 &'], { detached: true }).unref()`,
    ],
  ])('ends with all that it has started %s', async (_where, work) => {
    const { env, count } = mark()
    const instance = await world.load(node(work), { env })
    await call(instance)
    await expect.poll(count).toBeGreaterThanOrEqual(3)
    await instance.unload()
    expect(count()).toBe(0)
  })
})

describe('cpus', () => {
  const BURN = `
    const until = Date.now() + 1000
    while (Date.now() < until);
    return process.cpuUsage().user / 1e6
  `

  it.skipIf(!controllers.has('cpu'))('are a share of the processor', async () => {
    await using world = await ProcessWorld.open()
    const instance = await world.load(node(BURN), { cpus: 0.2 })
    const seconds = Number(await (await call(instance)).text())
    expect(seconds).toBeGreaterThan(0)
    expect(seconds).toBeLessThan(0.6)
  })

  it('are warned of where they cannot be held', async () => {
    await using world = await ProcessWorld.open({ cgroups: Cgroups.none() })
    await world.load(script('true'), { cpus: 0.2 })
    const line = { level: 'warn', functionId: 'program', msg: expect.stringContaining('cpus') }
    expect(world.lines).toContainEqual(expect.objectContaining(line))
  })
})

describe.skipIf(process.getuid?.() !== 0)('pids of functions of one user', () => {
  it.skipIf(!controllers.has('pids'))('are counted apart by a control group', async () => {
    await using world = await ProcessWorld.open()
    const many = node("for (let n = 0; n < 40; n++) spawn('sleep', ['1000']); return 'many'")
    const first = await world.load(many, { user: 'nobody', pids: 100 })
    expect(await (await call(first)).text()).toBe('many')
    const second = await world.load(script('sleep 0 & wait; echo fine'), {
      user: 'nobody',
      pids: 20,
    })
    expect(await (await call(second)).text()).toBe('fine\n')
  })

  it('are bounded together by the system where there is none', async () => {
    await using world = await ProcessWorld.open({ cgroups: Cgroups.none() })
    const instance = await world.load(script('ulimit -p || ulimit -u'), {
      user: 'nobody',
      pids: 77,
    })
    expect(await (await call(instance)).text()).toBe('77\n')
  })
})

describe('pids by a control group', () => {
  it.skipIf(!controllers.has('pids'))('are never more than allowed', async () => {
    await using world = await ProcessWorld.open()
    const value = randomUUID()
    // The shell that counts outlives the one that can fork no more: there is time to look.
    const fork = '(i=0; while [ $i -lt 100 ]; do sleep 5 & i=$((i+1)); done)'
    const bomb = script(`${fork}; i=0; while [ $i -lt 500000 ]; do i=$((i+1)); done`)
    const instance = await world.load(bomb, { pids: 16, env: { MARK: value } })
    let isOver = false
    let most = 0
    const answer = Promise.allSettled([call(instance)]).then(() => {
      isOver = true
    })
    while (!isOver) {
      most = Math.max(most, countGiven(`MARK=${value}`))
      await new Promise(resolve => setTimeout(resolve, 10))
    }
    await answer
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(16)
  })
})
