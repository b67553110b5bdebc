import { describe, expect, it } from 'vitest'
import { nginxProgram, startNginx } from './nginx.ts'

const hello = (port: number) =>
  `server { listen 127.0.0.1:${port}; location / { return 200 "hello"; } }`

describe.skipIf((await nginxProgram()) === undefined)('nginx', () => {
  it('serves its configuration, also after it was killed and started again', async () => {
    await using nginx = await startNginx({ http: hello })
    const { endpoint } = nginx
    const answer = await fetch(endpoint)
    expect(answer.headers.get('server')).toMatch(/^nginx\/1\./)
    expect(await answer.text()).toBe('hello')
    await nginx.kill()
    await expect(fetch(endpoint)).rejects.toThrow()
    await nginx.restart()
    expect(nginx.endpoint).toBe(endpoint)
    expect(await (await fetch(endpoint)).text()).toBe('hello')
  })

  it('says what is wrong with a configuration that it refuses', async () => {
    await expect(startNginx({ http: () => 'no_such_field 1;' })).rejects.toThrow('no_such_field')
  })

  it('runs beside another of itself', async () => {
    await using one = await startNginx({ http: hello })
    await using two = await startNginx({ http: hello })
    expect((await fetch(one.endpoint)).status).toBe(200)
    expect((await fetch(two.endpoint)).status).toBe(200)
  })
})
