import { expect, it } from 'vitest'
import { type ExecutorWorld, requestOf } from './world.ts'

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

/** Requests and responses, their bodies aside, and what goes wrong instead of a response. */
export function describeMessages(world: ExecutorWorld): void {
  it('hands over request and context, and hands back the response', async () => {
    const instance = await world.load('Echo')
    const response = await world.call(instance, '/a/b?c=d%20e', {
      method: 'POST',
      headers: { 'x-name': 'Alice', traceparent: TRACEPARENT },
      body: 'Grüße',
    })
    expect(response.status).toBe(201)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2; Path=/, odd'])
    const seen = (await response.json()) as Record<string, unknown>
    expect(seen).toMatchObject({
      calls: 1,
      method: 'POST',
      url: 'http://localhost/a/b?c=d%20e',
      body: 'Grüße',
      functionId: 'fixture',
      version: 'v7',
      greeting: 'hi',
      isEnvFrozen: true,
      params: { name: 'value' },
      requestId: 'request-1',
      traceparent: TRACEPARENT,
      clientAddress: '192.0.2.1',
    })
    expect(seen['headers']).toContainEqual(['x-name', 'Alice'])
  })

  it('hands over what each request alone has', async () => {
    const instance = await world.load('Echo')
    const more = { requestId: 'request-2', params: { '*': 'a/ü', id: '' } }
    const seen = await (await world.call(instance, '/', {}, more)).json()
    expect(seen).toMatchObject({ ...more, method: 'GET', body: '', traceparent: null })
  })

  it('combines headers that were sent several times as the host does, and keeps Latin-1', async () => {
    const instance = await world.load('Echo')
    const rawHeaders = [
      ['X-List', 'one'],
      ['x-latin', 'caf\u00e9 \u00ff'],
      ['x-list', 'two'],
      ['X-Empty', ''],
      ['Cookie', 'a=1'],
      ['cookie', 'b=2'],
      ['X-Tab', 'a\tb'],
    ].flat()
    const request = requestOf('/', {}, { rawHeaders })
    const seen = (await (await world.send(instance, request)).json()) as { headers: unknown }
    expect(seen.headers).toEqual([...request.headers])
  })

  it.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    'answers %s without a body',
    async method => {
      const instance = await world.load('Echo')
      const response = await world.call(instance, '/', { method })
      expect(response.status).toBe(201)
      const text = await response.text()
      if (method !== 'HEAD') expect(JSON.parse(text)).toMatchObject({ method, body: '' })
    },
  )

  it('hands back status and status text', async () => {
    const instance = await world.load('Answers')
    const response = await world.call(instance, '/status')
    expect([response.status, response.statusText]).toEqual([418, "I'm a Teapot"])
    expect(await response.text()).toBe('teapot')
  })

  it('hands back unusual header values, several of one name too', async () => {
    const instance = await world.load('Answers')
    const { headers } = await world.call(instance, '/values')
    expect(headers.get('x-latin')).toBe('caf\u00e9 \u00ff')
    expect(headers.get('x-tab')).toBe('a\tb')
    expect(headers.get('x-empty')).toBe('')
    expect(headers.get('x-twice')).toBe('one, two')
  })

  it.each([
    ['/204', 204, 'x-name', 'kept'],
    ['/304', 304, 'etag', '"one"'],
    ['/empty', 200, 'content-type', 'text/plain;charset=UTF-8'],
  ])('hands back what has no content: %s', async (target, status, name, value) => {
    const instance = await world.load('Answers')
    const response = await world.call(instance, target)
    expect(response.status).toBe(status)
    expect(response.headers.get(name)?.replace('; ', ';')).toBe(value)
    if (status !== 200) expect(response.body).toBeNull()
    expect(await response.text()).toBe('')
  })

  it.each([
    ['/platform', 'of the platform'],
    ['/fetched', 'fetched'],
    ['/cloned', 'cloned'],
  ])('hands back a Response of another make: %s', async (target, text) => {
    const instance = await world.load('Answers')
    expect(await (await world.call(instance, target)).text()).toBe(text)
  })

  it('serves many requests at once', async () => {
    const instance = await world.load('Gathering')
    const calls = Array.from({ length: 200 }, () => world.call(instance, '/?together=200'))
    const texts = await Promise.all(calls.map(async response => (await response).text()))
    expect(new Set(texts)).toEqual(new Set(['together']))
  })

  it('fails with what the function throws or rejects with, its class included', async () => {
    const instance = await world.load('Faulty')
    await expect(world.call(instance, '/throw')).rejects.toMatchObject({
      name: 'TypeError',
      message: 'thrown in fetch',
    })
    await expect(world.call(instance, '/reject')).rejects.toMatchObject({
      name: 'RangeError',
      message: 'rejected in fetch',
    })
  })

  it.each(['/throw', '/reject', '/text', '/undefined', '/symbol', '/hostile', '/circular'])(
    'fails, and goes on: %s',
    async target => {
      const instance = await world.load('Faulty')
      for (const round of [1, 2]) {
        const outcome = await world.call(instance, target).then(
          () => 'answered',
          () => 'rejected',
        )
        expect(outcome, `round ${round}`).toBe('rejected')
      }
      expect(await (await world.call(instance, '/')).text()).toBe('fine')
    },
  )

  it('tells an answer that is no Response from one that is', async () => {
    const instance = await world.load('Answers')
    // In the host's own thread the host looks; elsewhere there is nothing to hand back.
    const answer: unknown = await world.call(instance, '/nothing').catch(error => error)
    expect(answer).not.toBeInstanceOf(Response)
    expect(await (await world.call(instance, '/')).text()).toBe('fine')
  })

  it('is refused after unload', async () => {
    const instance = await world.load('Echo')
    await instance.unload()
    await expect(world.call(instance, '/')).rejects.toMatchObject({ code: 'INSTANCE_EXITED' })
  })
}
