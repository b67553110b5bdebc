import { describe, expect, it } from 'vitest'
import { DockerApi } from './docker-api.ts'
import { testImage } from './images.ts'
import { hasPodman, podmanService } from './podman-service.ts'
import { registryProgram, startRegistry } from './registry.ts'

const missing = (await registryProgram()) === undefined || !(await hasPodman())

describe.skipIf(missing)('the registry of images', () => {
  it('gives an image to whoever has its password, and to nobody else', async () => {
    await using registry = await startRegistry()
    const service = await podmanService()
    const api = new DockerApi(service.socketPath)
    const image = await registry.push(api, await testImage(service, 'hello'), 'app:v1')
    const pull = `/images/create?fromImage=${encodeURIComponent(image)}`

    // Podman begins its answer with 200 before it knows.
    expect((await api.call('POST', pull)).text).toContain('authentication required')
    expect((await api.call('GET', `/images/${image}/json`)).status).toBe(404)

    await api.do('POST', pull, undefined, { 'x-registry-auth': registry.auth })
    expect((await api.call('GET', `/images/${image}/json`)).status).toBe(200)
    await api.do('DELETE', `/images/${image}`)
  })
})
