import { describe, expect, it } from 'vitest'
import { haproxyProgram, startHaproxy } from './haproxy.ts'

const hello = (port: number) => `
defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
frontend web
  bind 127.0.0.1:${port}
  http-request return status 200 content-type text/plain string hello
`

describe.skipIf((await haproxyProgram()) === undefined)('HAProxy', () => {
  it('serves its configuration, also after it was killed and started again', async () => {
    await using haproxy = await startHaproxy({ config: hello })
    const { endpoint } = haproxy
    expect(await (await fetch(endpoint)).text()).toBe('hello')
    await haproxy.kill()
    await expect(fetch(endpoint)).rejects.toThrow()
    await haproxy.restart()
    expect(haproxy.endpoint).toBe(endpoint)
    expect(await (await fetch(endpoint)).text()).toBe('hello')
  })

  it('says what is wrong with a configuration that it refuses', async () => {
    const config = () => 'no_such_section 1\n'
    await expect(startHaproxy({ config })).rejects.toThrow('no_such_section')
  })

  it('runs beside another of itself', async () => {
    await using one = await startHaproxy({ config: hello })
    await using two = await startHaproxy({ config: hello })
    expect((await fetch(one.endpoint)).status).toBe(200)
    expect((await fetch(two.endpoint)).status).toBe(200)
  })
})
