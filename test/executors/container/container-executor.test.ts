import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, it } from 'vitest'
import type { Deployment, Instance } from '../../../src/function/contract.ts'
import { abortRequest } from '../../../src/http/web/incoming-request.ts'
import { testImage } from '../../services/images.ts'
import { hasPodman, podmanService } from '../../services/podman-service.ts'
import { call, context, incoming } from '../http/http-setup.ts'
import { Containers } from './container-setup.ts'

const eventually = <T>(look: () => T) => expect.poll(look, { timeout: 15_000, interval: 20 })

describe.skipIf(!(await hasPodman()))('a function that is an image', { timeout: 60_000 }, () => {
  let containers: Containers
  afterEach(() => containers[Symbol.asyncDispose]())

  const load = (deployment: Deployment) => containers.executor.load(deployment)
  const textOf = async (instance: Instance, target: string) => (await call(instance, target)).text()
  const hello = async (instance: Instance) =>
    (await (await call(instance, '/')).json()) as {
      readonly hostname: string
      readonly uid: number
      readonly env: Readonly<Record<string, string>>
    }

  it('gets its variables, PORT and nothing of the host', async () => {
    containers = await Containers.open()
    const instance = await load(containers.function({ handlerPort: 8081, env: { A: 'b' } }))
    const { env } = await hello(instance)
    expect(env).toMatchObject({ A: 'b', GREETING: 'hi', PORT: '8081' })
    expect(Object.keys(env).sort()).toEqual(
      ['A', 'GREETING', 'HOME', 'HOSTNAME', 'PATH', 'PORT', 'TERM', 'container'].sort(),
    )
  })

  it.each(['stop', 'pause'] as const)(
    'sleeps (%s) and wakes in the same container',
    async sleep => {
      containers = await Containers.open()
      const deployment = containers.function({ sleep })
      const first = await load(deployment)
      const { hostname } = await hello(first)
      await first.unload()
      const states = (await containers.list()).map(({ State }) => State)
      expect(states).toEqual([sleep === 'pause' ? 'paused' : 'exited'])
      await expect(call(first, '/')).rejects.toMatchObject({ code: 'INSTANCE_EXITED' })
      const second = await load(deployment)
      expect((await hello(second)).hostname).toBe(hostname)
      expect(await containers.list()).toHaveLength(1)
    },
  )

  it.each(['stop', 'pause'] as const)('is woken only once it sleeps (%s)', async sleep => {
    containers = await Containers.open()
    const deployment = containers.function({ sleep })
    let instance = await load(deployment)
    for (let round = 0; round < 4; round++) {
      const unloading = instance.unload()
      instance = await load(deployment)
      await unloading
      expect((await call(instance, '/')).status).toBe(200)
    }
    expect(await containers.list()).toHaveLength(1)
  })

  it('has a container for each instance at once, and all of them sleep', async () => {
    containers = await Containers.open()
    const deployment = containers.function({ sleep: 'pause' })
    const instances = await Promise.all([load(deployment), load(deployment), load(deployment)])
    const names = await Promise.all(instances.map(async one => (await hello(one)).hostname))
    expect(new Set(names).size).toBe(3)
    await Promise.all(instances.map(instance => instance.unload()))
    const again = await Promise.all([load(deployment), load(deployment), load(deployment)])
    const awake = await Promise.all(again.map(async one => (await hello(one)).hostname))
    expect(new Set(awake)).toEqual(new Set(names))
  })

  it('is removed when it is forgotten, asleep or only falling asleep', async () => {
    containers = await Containers.open()
    const deployment = containers.function()
    const [one, other] = await Promise.all([load(deployment), load(deployment)])
    await one.unload()
    const unloading = other.unload()
    await containers.executor.forget(deployment)
    await unloading
    await containers.executor.forget(deployment)
    expect(await containers.list()).toEqual([])
    expect((await call(await load(deployment), '/')).status).toBe(200)
  })

  it('is made anew when its container was removed behind the back of the host', async () => {
    containers = await Containers.open()
    const deployment = containers.function()
    const instance = await load(deployment)
    await instance.unload()
    const [asleep] = await containers.list()
    await containers.api.do('DELETE', `/containers/${asleep?.Id}?force=true`)
    expect((await call(await load(deployment), '/')).status).toBe(200)
  })

  it('is made anew when it was left something in the way of its next start', async () => {
    containers = await Containers.open()
    const image = await testImage(await podmanService(), 'node')
    const script = `const { existsSync, mkdirSync } = require('fs')
      if (existsSync('/tmp/pid')) process.exit(1)
      mkdirSync('/tmp/pid', { recursive: true })
      require('http').createServer((req, res) => res.end('served')).listen(80)`
    const { manifest, env } = containers.function()
    const command = ['node', '--eval', script] as const
    const deployment: Deployment = { manifest, env, code: { kind: 'image', image, command } }
    await (await load(deployment)).unload()
    expect(await textOf(await load(deployment), '/')).toBe('served')
    expect(await containers.list()).toHaveLength(1)
  })

  it('keeps nothing of the instances that one container was, from pause to pause', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    containers = await Containers.open()
    const deployment = containers.function({ sleep: 'pause' })
    const nap = async () => {
      const instance = await load(deployment)
      await instance.unload()
      return new WeakRef(instance)
    }
    const past = [await nap(), await nap(), await nap()]
    // What comes last may be held by the container, of which there is one.
    await nap()
    expect(await containers.list()).toHaveLength(1)
    await eventually(() => {
      collect()
      return past.filter(instance => instance.deref() !== undefined).length
    }).toBe(0)
  })

  it('costs nothing before it is asked for, however many there are', async () => {
    containers = await Containers.open()
    for (let n = 0; n < 500; n++) {
      containers.executor.prepare(containers.function({ id: `hello-${n}` }))
    }
    await load(containers.function({ id: 'hello-0' }))
    expect(await containers.list()).toHaveLength(1)
  })

  it('wakes with 19 others at once', async () => {
    containers = await Containers.open()
    const deployments = Array.from({ length: 20 }, (_, n) =>
      containers.function({ id: `hello-${n}`, sleep: n % 2 === 0 ? 'pause' : 'stop' }),
    )
    for (let round = 0; round < 2; round++) {
      const instances = await Promise.all(deployments.map(load))
      const statuses = await Promise.all(
        instances.map(async instance => (await call(instance, '/')).status),
      )
      expect(new Set(statuses)).toEqual(new Set([200]))
      await Promise.all(instances.map(instance => instance.unload()))
    }
    expect(await containers.list()).toHaveLength(20)
  })

  it('that exits takes its requests along, is told, and is removed', async () => {
    containers = await Containers.open()
    const deployment = containers.function()
    const instance = await load(deployment)
    const waiting = call(instance, '/sleep?ms=60000')
    const exiting = call(instance, '/exit?code=3', { method: 'POST' })
    const gone = { code: 'INSTANCE_EXITED' }
    await expect(exiting).rejects.toMatchObject(gone)
    await expect(waiting).rejects.toMatchObject(gone)
    const { reason, cause } = await instance.exited
    expect([reason, String(cause)]).toEqual(['crash', expect.stringContaining('exit code 3')])
    await instance.unload()
    await eventually(() => containers.list()).toEqual([])
    expect((await call(await load(deployment), '/')).status).toBe(200)
  })

  it('that exits before it serves fails the load at once', async () => {
    containers = await Containers.open()
    const { manifest, env } = containers.function()
    const code = { kind: 'image', image: containers.image, command: ['/nothing/here'] } as const
    await expect(load({ manifest, env, code })).rejects.toMatchObject({
      code: 'FUNCTION_LOAD_FAILED',
    })
    expect(await containers.list()).toEqual([])
  })

  it('that never serves fails the load in time', async () => {
    containers = await Containers.open({ loadTimeoutMs: 1_000 })
    const slow = containers.function({ env: { START_DELAY_MS: '60000' } })
    await expect(load(slow)).rejects.toMatchObject({ code: 'FUNCTION_TIMEOUT' })
    expect(await containers.list()).toEqual([])
  })

  it('is ended for good when it uses more than its memory', async () => {
    containers = await Containers.open()
    const instance = await load(containers.function({ memory: '32MiB' }))
    await expect(call(instance, `/eat?bytes=${2 ** 30}`)).rejects.toMatchObject({
      code: 'INSTANCE_EXITED',
    })
    expect(await instance.exited).toMatchObject({ reason: 'out-of-memory' })
  })

  it('has no more processes and open files than it may', async () => {
    containers = await Containers.open()
    // One for each: a Go program that can start no more threads may end at any time.
    const forking = await load(containers.function({ pids: 32 }))
    const [forked, why] = (await textOf(forking, '/fork?n=1000')).split(/ (.*)/s)
    expect(Number(forked)).toBeLessThan(32)
    expect(why).toContain('resource temporarily unavailable')
    const opening = await load(containers.function({ openFiles: 64 }))
    const [opened, reason] = (await textOf(opening, '/files?n=1000')).split(/ (.*)/s)
    expect(Number(opened)).toBeLessThan(64)
    expect(reason).toContain('too many open files')
  })

  it('writes nowhere but to /tmp where its root is read-only', async () => {
    containers = await Containers.open()
    const instance = await load(containers.function({ readOnly: true, user: '1000:1000' }))
    expect((await hello(instance)).uid).toBe(1000)
    expect((await call(instance, '/write?path=/file')).status).toBe(500)
    expect(await textOf(instance, '/write?path=/tmp/file')).toBe('written')
    expect(await textOf(instance, '/read?path=/proc/self/status')).toMatch(/CapEff:\s0+\n/)
  })

  it('reaches the network, unless it may not: then it serves on its socket', async () => {
    containers = await Containers.open()
    const open = await load(containers.function())
    const routes = await textOf(open, '/read?path=/proc/net/route')
    expect(routes.trim().split('\n').length).toBeGreaterThan(1)
    const deployment = containers.function({ id: 'closed', network: false })
    for (let round = 0; round < 2; round++) {
      const closed = await load(deployment)
      expect((await hello(closed)).env['FEZZ_SOCKET']).toBe('/run/fezz/http.sock')
      const none = await textOf(closed, '/read?path=/proc/net/route')
      expect(none.trim().split('\n')).toHaveLength(1)
      await closed.unload()
    }
  })

  it('is killed when it fails its health checks, and only then', async () => {
    containers = await Containers.open()
    const healthCheck = { healthCheckPath: '/health', healthCheckInterval: 0.1 }
    const instance = await load(containers.function(healthCheck))
    await delay(1_000)
    await call(instance, '/unhealthy')
    const { reason, cause } = await instance.exited
    expect([reason, String(cause)]).toEqual(['killed', expect.stringContaining('health checks')])
  })

  it('is killed when it gives no sign of life after a deadline', async () => {
    containers = await Containers.open({ killGraceMs: 300 })
    const instance = await load(containers.function())
    const [container] = await containers.list()
    const request = incoming('/sleep?ms=60000')
    const answer = instance.fetch(request, context)
    await containers.api.do('POST', `/containers/${container?.Id}/pause`)
    abortRequest(request, new DOMException('too late', 'TimeoutError'))
    await expect(answer).rejects.toThrow('too late')
    expect(await instance.exited).toMatchObject({ reason: 'killed' })
  })

  it('lives on when only one request misses its deadline', async () => {
    containers = await Containers.open({ killGraceMs: 2_000 })
    const instance = await load(containers.function())
    const request = incoming('/sleep?ms=60000')
    const answer = instance.fetch(request, context)
    abortRequest(request, new DOMException('too late', 'TimeoutError'))
    await expect(answer).rejects.toThrow('too late')
    expect((await call(instance, '/')).status).toBe(200)
  })

  it('has what it prints in the log, with its id, also after it slept', async () => {
    containers = await Containers.open()
    const deployment = containers.function()
    for (let round = 1; round <= 2; round++) {
      const instance = await load(deployment)
      await call(instance, '/log?lines=3&to=stderr')
      await instance.unload()
      const printed = (text: string) => containers.messages.filter(one => one === text)
      expect(printed('listening on :80')).toHaveLength(round)
      expect(printed('stopped')).toHaveLength(round)
      expect(containers.messages.filter(one => String(one).trim() === '2')).toHaveLength(round)
    }
    const line = containers.lines.find(({ msg }) => msg === 'stopped')
    expect(line).toMatchObject({ functionId: 'hello', stream: 'stdout', level: 'info' })
  })

  it('is published on loopback until its own address is known to be reachable', async () => {
    containers = await Containers.open()
    await load(containers.function({ id: 'first' }))
    await load(containers.function({ id: 'second' }))
    const ports = await Promise.all(
      (await containers.list()).map(async ({ Id, Labels }) => {
        const { HostConfig } = await containers.api.do<{
          HostConfig: { PortBindings: Record<string, { HostIp: string }[] | null> | null }
        }>('GET', `/containers/${Id}/json`)
        const bindings = Object.values(HostConfig.PortBindings ?? {}).flat()
        return [Labels['fezz.function'], bindings.flatMap(binding => binding?.HostIp ?? [])]
      }),
    )
    expect(Object.fromEntries(ports)).toEqual({ first: ['127.0.0.1'], second: [] })
  })

  it('leaves nothing when the executor closes, whatever it is doing', async () => {
    containers = await Containers.open()
    const { executor } = containers
    const paused = await load(containers.function({ id: 'paused', sleep: 'pause' }))
    await paused.unload()
    await (await load(containers.function({ id: 'stopped' }))).unload()
    const awake = await load(containers.function({ id: 'awake' }))
    const loading = load(
      containers.function({ id: 'loading', env: { START_DELAY_MS: '60000' } }),
    ).catch(error => error)
    await eventually(async () => (await containers.list()).length).toBe(4)
    await Promise.all([executor.close(), executor.close()])
    expect(await loading).toMatchObject({ code: 'DRAINING' })
    await expect(call(awake, '/')).rejects.toMatchObject({ code: 'INSTANCE_EXITED' })
    await expect(load(containers.function())).rejects.toThrow('closed')
    expect(await containers.list()).toEqual([])
  })
})

describe.skipIf(!(await hasPodman()))('a program in a container', { timeout: 60_000 }, () => {
  it('runs in an image that has what it needs, from its own folder', async () => {
    await using containers = await Containers.open()
    const image = await testImage(await podmanService(), 'node')
    const { manifest } = containers.function({ id: 'program' }, image)
    const script = `require('http').createServer((req, res) =>
      res.end(process.cwd() + ' ' + require('fs').existsSync('.'))).listen(process.env.PORT)`
    const instance = await containers.executor.load({
      manifest,
      env: {},
      code: {
        kind: 'program',
        sha256: '0'.repeat(64),
        folder: import.meta.dirname,
        command: ['node', '-e', script],
        protocol: 'http',
        env: {},
        reads: [],
        image,
      },
    })
    expect(await (await call(instance, '/')).text()).toBe(`${import.meta.dirname} true`)
  })
})
