import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CliHost, serve } from '../helpers/cli.ts'
import { RawClient } from '../http/raw-client.ts'

let host: CliHost

beforeAll(async () => {
  host = await serve(['examples'], { env: { FEZZ_ENV_GREETING: 'hello' } })
})

afterAll(() => host[Symbol.asyncDispose]())

describe('the quick start', () => {
  it('curl /_health', async () => {
    const response = await host.fetch('/_health')
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('OK')
  })

  it('curl /hello', async () => {
    expect(await host.get('/hello')).toBe('Hello, World!')
  })

  it('curl -H "X-Name: Alice" /hello', async () => {
    const response = await host.fetch('/hello', { headers: { 'X-Name': 'Alice' } })
    expect(await response.text()).toBe('Hello, Alice!')
  })

  it('curl -X POST -d "Hello, World!" /echo', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const response = await host.fetch('/echo', { method: 'POST', headers, body: 'Hello, World!' })
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('Hello, World!')
  })

  it('curl /counter, twice: its state is kept', async () => {
    const first = JSON.parse(await host.get('/counter'))
    const second = JSON.parse(await host.get('/counter'))
    expect(second.count).toBe(first.count + 1)
  })

  it('curl /_metrics: for Prometheus, and as JSON for whoever asks for it', async () => {
    await host.get('/hello')
    const text = await host.fetch('/_metrics')
    expect(text.headers.get('content-type')).toContain('text/plain')
    expect(await text.text()).toMatch(/^fezz_requests_total\{.*function="hello".*\} \d+$/m)
    expect(await host.states()).toMatchObject({ hello: 'Ready', ticker: 'Unloaded' })
  })
})

describe('the other examples', () => {
  it('a Workers module answers under the name of its file, with the variables of the host', async () => {
    const told = { path: '/worker/any/thing', greeting: 'hello' }
    expect(JSON.parse(await host.get('/worker/any/thing'))).toEqual(told)
  })

  it('a Hono app routes by itself', async () => {
    expect(await host.get('/hono')).toBe('Hono on Fezz')
    expect(JSON.parse(await host.get('/hono/users/7'))).toEqual({ id: '7' })
    expect((await host.fetch('/hono/nothing')).status).toBe(404)
  })

  it('server-sent events stream, and end when the client leaves', async () => {
    const inFlight = async () => {
      const metrics = await host.get('/_metrics')
      return /^fezz_requests_in_flight\{function="ticker"\} (\d+)$/m.exec(metrics)?.[1]
    }
    const client = await RawClient.connect(host.port)
    client.send('GET /ticker HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const received = await client.until(text => text.split('data: ').length > 2)
    expect(received).toContain('HTTP/1.1 200 OK')
    expect(received.toLowerCase()).toContain('content-type: text/event-stream')
    expect(await inFlight()).toBe('1')
    client.destroy()
    await expect.poll(inFlight).toBe('0')
  })

  it('a function opens its database when it is loaded and closes it when it is unloaded', async () => {
    expect(host.linesOf('visits', 'database opened')).toEqual([])
    expect(JSON.parse(await host.get('/visits/ada'))).toEqual({ name: 'ada', count: 1 })
    expect(JSON.parse(await host.get('/visits/ada%20b'))).toEqual({ name: 'ada b', count: 1 })
    expect(JSON.parse(await host.get('/visits/ada'))).toEqual({ name: 'ada', count: 2 })
    expect(await host.stop()).toEqual({ code: 0, signal: null })
    expect(host.linesOf('visits', 'database opened')).toHaveLength(1)
    expect(host.linesOf('visits', 'database closed')).toHaveLength(1)
  })
})
