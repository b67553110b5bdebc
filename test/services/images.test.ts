import { beforeAll, describe, expect, it } from 'vitest'
import { Container } from './containers.ts'
import { DockerApi } from './docker-api.ts'
import { testImage, testImages } from './images.ts'
import { startPodman } from './podman.ts'
import { hasPodman, type PodmanAddress, podmanService } from './podman-service.ts'

describe.skipIf(!(await hasPodman()))('the images for tests', () => {
  let service: PodmanAddress
  let api: DockerApi

  beforeAll(async () => {
    service = await podmanService()
    api = new DockerApi(service.socketPath)
    await testImages(service)
  })

  it('are made once for all who want one at the same time', async () => {
    await using own = await startPodman()
    const names = await Promise.all([1, 2, 3].map(() => testImage(own, 'hello')))
    expect(new Set(names).size).toBe(1)
    expect(await own.api.do('GET', '/images/json')).toHaveLength(1)
  })

  it('have a server that tells what it was given, and ends in an orderly way', async () => {
    const settings = { Image: await testImage(service, 'hello'), Env: ['COLOUR=red'] }
    await using container = await Container.start(api, settings)
    expect(JSON.parse(await container.get('/some?path'))).toMatchObject({
      path: '/some?path',
      pid: 1,
      env: { COLOUR: 'red' },
    })
    const slow = container.get('/sleep?ms=300')
    await container.get('/health')
    await container.act('stop?t=5')
    expect(await slow).toBe('slept\n')
    expect(await container.ended()).toMatchObject({ code: 0 })
  })

  it('have the Node that runs this test', async () => {
    const Cmd = ['node', '--print', 'process.version + os.userInfo().username']
    const settings = { Image: await testImage(service, 'node'), Cmd, User: 'nobody' }
    await using container = await Container.start(api, settings)
    const { code, output } = await container.ended()
    expect(output).toContain(`${process.version}nobody`)
    expect(code).toBe(0)
  })

  it('have a Python with its standard library', async () => {
    const Cmd = ['python3', '-c', 'import asyncio, ctypes, sqlite3, ssl, venv; print("imported")']
    const settings = { Image: await testImage(service, 'python'), Cmd, User: 'nobody' }
    await using container = await Container.start(api, settings)
    const { code, output } = await container.ended()
    expect(output).toContain('imported')
    expect(code).toBe(0)
  })
})
