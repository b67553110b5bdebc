import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { readEngineNote } from '../../../src/executors/engine-note.ts'
import { abortRequest, toIncoming } from '../../../src/http/web/incoming-request.ts'
import { artifactOf } from '../../contract/executor-artifacts.ts'
import { testImage } from '../../services/images.ts'
import { hasPodman, podmanService } from '../../services/podman-service.ts'
import { call, context } from '../http/http-setup.ts'
import { Containers } from './container-setup.ts'

/** The engine behind a socket of its own, on which it can be frozen, or be gone for a while. */
class Outages implements AsyncDisposable {
  readonly socketPath: string
  /** How long what is asked is under way to it. */
  lagMs = 0
  readonly #folder: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(folder: string, enginePath: string) {
    this.#folder = folder
    this.socketPath = join(folder, 'engine.sock')
    this.#server = createServer({ allowHalfOpen: true }, near => {
      const far = connect({ path: enginePath, allowHalfOpen: true })
      const lag = new Transform({
        transform: (chunk, _encoding, done) => void setTimeout(done, this.lagMs, null, chunk),
      })
      near.pipe(lag).pipe(far).pipe(near)
      for (const socket of [near, far]) {
        this.#sockets.add(socket)
        socket
          .on('error', () => {})
          .on('close', () => {
            this.#sockets.delete(socket)
            near.destroy()
            far.destroy()
          })
      }
    })
  }

  static async open(): Promise<Outages> {
    const { socketPath } = await podmanService()
    const outages = new Outages(mkdtempSync(join(tmpdir(), 'fezz-engine-')), socketPath)
    await outages.comeBack()
    return outages
  }

  /** From now on it takes connections, and says nothing. */
  freeze(): void {
    for (const socket of this.#sockets) socket.unpipe().pause()
    this.#server.removeAllListeners('connection')
    this.#server.on('connection', socket => {
      this.#sockets.add(socket)
      socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket))
    })
  }

  /** Ends all connections, and takes none. */
  async leave(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async comeBack(): Promise<void> {
    this.#server.listen(this.socketPath)
    await once(this.#server, 'listening')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave()
    await rm(this.#folder, { recursive: true })
  }
}

describe.skipIf(!(await hasPodman()))('an engine', { timeout: 60_000 }, () => {
  it('that freezes fails loads in time, lets others serve, and does not keep the host from closing', async () => {
    await using outages = await Outages.open()
    const { socketPath } = outages
    const containers = await Containers.open({
      engine: { socketPath },
      loadTimeoutMs: 4_000,
      unloadTimeoutMs: 500,
      stopGraceMs: 500,
    })
    try {
      const instance = await containers.executor.load(containers.function())
      outages.freeze()
      const late = containers.executor.load(containers.function({ id: 'late' }))
      await expect(late).rejects.toMatchObject({
        code: 'FUNCTION_LOAD_FAILED',
        message: expect.stringContaining('within 4000 ms'),
      })
      expect((await call(instance, '/')).status).toBe(200)
    } finally {
      await containers[Symbol.asyncDispose]()
      for (const { Id } of await containers.list()) {
        await containers.api.do('DELETE', `/containers/${Id}?force=true`)
      }
    }
    expect(containers.messages).toContain('a container stays behind')
  })

  it('that restarts changes nothing for what runs, whose end is noticed as before', async () => {
    await using outages = await Outages.open()
    const { socketPath } = outages
    await using containers = await Containers.open({ engine: { socketPath } })
    const instance = await containers.executor.load(containers.function())
    await outages.leave()
    expect((await call(instance, '/')).status).toBe(200)
    await expect(containers.executor.load(containers.function({ id: 'early' }))).rejects.toThrow(
      'no container engine answers',
    )
    await outages.comeBack()
    const other = await containers.executor.load(containers.function({ id: 'other' }))
    expect((await call(other, '/')).status).toBe(200)
    const found = await containers.list()
    const first = found.find(({ Labels }) => Labels['fezz.function'] === 'hello')
    await containers.api.do('POST', `/containers/${first?.Id}/kill`)
    expect(await instance.exited).toMatchObject({ reason: 'killed' })
  })

  it('that is away when a container is to go removes it when it is back', async () => {
    await using outages = await Outages.open()
    const { socketPath } = outages
    await using containers = await Containers.open({ engine: { socketPath } })
    const deployment = containers.function()
    const instance = await containers.executor.load(deployment)
    await outages.leave()
    await instance.unload()
    await containers.executor.forget(deployment)
    expect(await containers.list()).toHaveLength(1)
    await outages.comeBack()
    await expect.poll(() => containers.list(), { timeout: 15_000 }).toEqual([])
  })

  it('that is away when a stuck function is to be ended ends it when it is back', async () => {
    await using outages = await Outages.open()
    const { socketPath } = outages
    await using containers = await Containers.open({ engine: { socketPath } })
    const image = await testImage(await podmanService(), 'node')
    const code = await artifactOf('Spinning')
    const instance = await containers.executor.load({ ...containers.function({}, image), code })
    const request = toIncoming(new Request('http://a.test/spin'))
    const answer = (async () => instance.fetch(request, context))().catch(error => error)
    await outages.leave()
    abortRequest(request, new DOMException('too late', 'TimeoutError'))
    await answer
    await instance.exited
    await outages.comeBack()
    await expect.poll(() => containers.list(), { timeout: 15_000 }).toEqual([])
  })

  it('that is slow has removed what has just been killed when the host has closed', async () => {
    await using outages = await Outages.open()
    const { socketPath } = outages
    await using containers = await Containers.open({ engine: { socketPath } })
    const instance = await containers.executor.load(containers.function())
    const [container] = await containers.list()
    outages.lagMs = 200
    await containers.api.do('POST', `/containers/${container?.Id}/kill`)
    await instance.exited
    await containers.executor.close()
    expect(await containers.list()).toEqual([])
  })

  it('that is away when the host closes is noted, with what it still has, for the next host', async () => {
    await using outages = await Outages.open()
    const { socketPath } = outages
    await using containers = await Containers.open({ engine: { socketPath } })
    const { executor, runFolder } = containers
    await executor.load(containers.function())
    await outages.leave()
    await executor.close()
    await runFolder.close()
    expect(readEngineNote(runFolder.path)).toEqual({ socketPath })
    const [left] = await containers.list()
    await containers.api.do('DELETE', `/containers/${left?.Id}?force=true`)
    await outages.comeBack()
  })

  it('that pulls from a registry that does not answer does not keep the host from closing', async () => {
    const registry = createServer(() => {}).listen(0, '127.0.0.1')
    await once(registry, 'listening')
    const { port } = registry.address() as AddressInfo
    const containers = await Containers.open()
    const deployment = containers.function({}, `127.0.0.1:${port}/silent:v1`)
    const loading = containers.executor.load(deployment).catch(error => error)
    await once(registry, 'connection')
    await containers[Symbol.asyncDispose]()
    expect(await loading).toMatchObject({ code: 'DRAINING' })
    registry.close()
  })
})
