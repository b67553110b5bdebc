import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { Container } from './containers.ts'
import { DockerApi } from './docker-api.ts'
import { testImage } from './images.ts'
import { removeLeftovers } from './leftovers.ts'
import { podmanProgram, startPodman } from './podman.ts'
import { administration, bridgeOf } from './podman-remains.ts'
import { hasPodman, podmanService } from './podman-service.ts'
import { run } from './run.ts'

describe.skipIf(!(await hasPodman()))('the podman that a run shares', () => {
  let api: DockerApi
  let Image: string

  beforeAll(async () => {
    const service = await podmanService()
    api = new DockerApi(service.socketPath)
    Image = await testImage(service, 'hello')
  })

  it('publishes a port on loopback that nobody chose', async () => {
    await using one = await Container.start(api, { Image })
    await using other = await Container.start(api, { Image })
    expect(JSON.parse(await one.get('/'))).toMatchObject({ message: 'hello' })
    expect(JSON.parse(await other.get('/'))).toMatchObject({ message: 'hello' })
    expect(await one.url()).not.toBe(await other.url())
  })

  it('freezes a container and lets it go on', async () => {
    await using container = await Container.start(api, { Image })
    await container.get('/')
    await container.act('pause')
    expect(await container.state()).toMatchObject({ Status: 'paused' })
    const answer = container.get('/health')
    expect(await Promise.race([answer, sleep(100, 'nothing')])).toBe('nothing')
    await container.act('unpause')
    expect(await answer).toBe('true\n')
  })

  it('kills one that takes more memory than it may', async () => {
    const bytes = 64 << 20
    const HostConfig = { Memory: bytes, MemorySwap: bytes }
    await using container = await Container.start(api, { Image, HostConfig })
    expect(await container.get(`/eat?bytes=${bytes / 4}`)).toBe('eaten\n')
    await expect(container.get(`/eat?bytes=${bytes * 2}`)).rejects.toThrow()
    expect(await container.ended()).toMatchObject({ code: 137 })
  })

  it('gives one no more processes than it may have', async () => {
    await using container = await Container.start(api, { Image, HostConfig: { PidsLimit: 16 } })
    expect(await container.get('/fork?n=100')).toContain('resource temporarily unavailable')
  })

  it('lets one write nothing to a root that is read-only', async () => {
    const HostConfig = { ReadonlyRootfs: true }
    await using container = await Container.start(api, { Image, HostConfig })
    expect(await container.get('/write?path=/file')).toContain('read-only file system')
  })
})

describe.skipIf((await podmanProgram()) === undefined)('a podman of one’s own', () => {
  it('is gone with its containers once disposed of, and may be disposed of twice', async () => {
    const podman = await startPodman()
    const { id } = await Container.start(podman.api, { Image: await testImage(podman, 'hello') })
    expect(await processesOf(id)).not.toEqual([])
    expect(await remainsOf(podman.folder, id)).not.toEqual([])
    await podman[Symbol.asyncDispose]()
    await podman[Symbol.asyncDispose]()
    expect(await processesOf(id)).toEqual([])
    expect(await remainsOf(podman.folder, id)).toEqual([])
  })

  it('has its containers still when it was killed and started again, none of them running', async () => {
    await using podman = await startPodman()
    await using container = await Container.start(podman.api, {
      Image: await testImage(podman, 'hello'),
    })
    await podman.kill()
    await podman.restart()
    expect((await container.state()).Status).not.toBe('running')
    await container.act('start')
    expect(JSON.parse(await container.get('/'))).toMatchObject({ message: 'hello' })
  })

  it.each(['SIGKILL', 'SIGTERM'] as const)(
    'leaves nothing when the process that started it gets %s',
    async signal => {
      const script = join(import.meta.dirname, 'podman-orphan-script.ts')
      const owner = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
      const [said] = await once(owner.stdout, 'data')
      const { folder, container } = JSON.parse(String(said))
      expect(await processesOf(container)).not.toEqual([])
      owner.kill(signal)
      await once(owner, 'exit')
      await removeLeftovers()
      expect(await processesOf(container)).toEqual([])
      expect(await remainsOf(folder, container)).toEqual([])
    },
  )
})

/** The processes of a container, as this machine sees them. */
async function processesOf(container: string): Promise<readonly string[]> {
  const all = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  const cgroups = await Promise.all(
    all.map(pid => readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '')),
  )
  return all.filter((_, index) => cgroups[index]?.includes(container))
}

/** What the machine still has of a service and its container. */
async function remainsOf(folder: string, container: string): Promise<readonly string[]> {
  const network = bridgeOf(folder)
  const rules = await run('iptables-save', ['--table', 'nat'], { env: administration() })
  // Version 1 has a tree for each controller, version 2 one.
  const controllers = ['.', ...(await readdir('/sys/fs/cgroup'))]
  const cgroups = controllers.map(name =>
    join('/sys/fs/cgroup', name, 'libpod_parent', `libpod-${container}`),
  )
  const mounts = await readFile('/proc/self/mounts', 'utf8')
  return [
    ...(existsSync(folder) ? [folder] : []),
    ...(existsSync(`/sys/class/net/${network}`) ? [network] : []),
    ...rules.split('\n').filter(rule => rule.includes(network)),
    ...cgroups.filter(existsSync),
    ...mounts.split('\n').filter(mount => mount.includes(folder)),
  ]
}
