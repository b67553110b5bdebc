import { getEventListeners, once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import * as undici from 'undici'
import { afterEach, expect, test } from 'vitest'
import { webGlobals } from '../../../src/http/web/globals.ts'
import { IncomingRequest } from '../../../src/http/web/incoming-request.ts'
import { adoptResponse, takeOutgoing } from '../../../src/http/web/outgoing.ts'
import { MemorySource } from '../../helpers/memory-source.ts'

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

async function upstream(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const echo: RequestListener = async (request, response) => {
  const { method, url, headers } = request
  response.end(JSON.stringify({ method, url, headers, body: await text(request) }))
}

interface Echoed {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

const incoming = (authority = 'fezz.test') =>
  new IncomingRequest(
    new MemorySource({
      method: 'POST',
      authority,
      target: '/a?b',
      rawHeaders: [
        ...['Host', 'fezz.test', 'Connection', 'keep-alive', 'Keep-Alive', 'timeout=5'],
        ...['Transfer-Encoding', 'chunked', 'Expect', '100-continue', 'X-Name', 'Alice'],
      ],
      body: 'content',
    }),
  )

const { Request, Response, fetch } = webGlobals

test('fetch sends on a request as it came in, as a request or as the init of one', async () => {
  const origin = await upstream(echo)
  const authority = origin.slice('http://'.length)
  const answers = [
    await fetch(incoming(authority)),
    await fetch(`${origin}/a?b`, incoming() as RequestInit),
    await fetch(new Request(`${origin}/a?b`, incoming() as RequestInit)),
  ]
  for (const answer of answers) {
    const echoed = (await answer.json()) as Echoed
    expect(echoed).toMatchObject({ method: 'POST', url: '/a?b', body: 'content' })
    expect(echoed.headers).toMatchObject({ host: authority, 'x-name': 'Alice' })
    expect(echoed.headers).not.toHaveProperty('expect')
  }
})

test('fetch of a request as it came in answers with a redirect, and does not follow it', async () => {
  const origin = await upstream((_request, response) => {
    response.writeHead(303, { location: '/elsewhere' }).end('moved')
  })
  for (const request of [
    incoming(origin.slice('http://'.length)),
    new Request(origin, incoming() as RequestInit),
  ]) {
    const { status, headers, body } = takeOutgoing(adoptResponse(await fetch(request)))
    expect([status, headers]).toEqual([303, expect.arrayContaining(['location', '/elsewhere'])])
    expect(await new globalThis.Response(body as ReadableStream).text()).toBe('moved')
  }
})

test('a stream can be the body of a request without saying duplex', async () => {
  const origin = await upstream(echo)
  const withBody = () => ({ method: 'POST', body: new globalThis.Response('streamed').body })
  const answers = [
    await fetch(origin, withBody()),
    await fetch(new Request(origin, withBody())),
    await fetch(new Request(incoming(origin.slice('http://'.length)), withBody())),
  ]
  for (const answer of answers) {
    expect(await answer.json()).toMatchObject({ method: 'POST', body: 'streamed' })
  }
})

test('nor where the body is a member of a class', async () => {
  class Init {
    readonly #method = 'POST'
    get method() {
      return this.#method
    }
    get body() {
      return new Response('streamed').body
    }
  }
  const request = new Request('http://fezz.test/', new Init())
  expect([request.method, await request.text()]).toEqual(['POST', 'streamed'])
})

/** Collects all that nobody holds, finalizers included. */
async function collect(): Promise<void> {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  for (let round = 0; round < 4; round++) {
    gc()
    await setTimeout(5)
  }
}

test('an abort reaches what fetch is doing, whichever request in between is collected', async () => {
  const origin = await upstream((request, response) => {
    if (request.url === '/body') response.write('begun')
  })
  const ways = {
    init: (url: string, signal: AbortSignal) => fetch(url, { signal }),
    request: (url: string, signal: AbortSignal) => fetch(new Request(url, { signal })),
    'request of a request': (url: string, signal: AbortSignal) =>
      fetch(new Request(new Request(url, { signal }), { headers: { a: 'b' } })),
    'request as init': (url: string, signal: AbortSignal) =>
      fetch(new Request(url, new Request(url, { signal }))),
  }
  for (const [way, start] of Object.entries(ways)) {
    const controller = new AbortController()
    const head = start(`${origin}/head`, controller.signal)
    const body = (await start(`${origin}/body`, controller.signal)).text()
    await collect()
    controller.abort(new RangeError(way))
    await expect(head).rejects.toThrow(way)
    await expect(body).rejects.toThrow(way)
  }
})

test('a client that leaves ends what fetch does with a request made of its own', async () => {
  const origin = await upstream(() => {})
  const source = new MemorySource({ authority: origin.slice('http://'.length) })
  const answer = fetch(new Request(new IncomingRequest(source)))
  await collect()
  source.leave()
  await expect(answer).rejects.toThrow(/aborted/)
})

test('a signal of its own, or none, takes the place of that of the request', async () => {
  const origin = await upstream((_request, response) => {
    response.end('answered')
  })
  const { signal } = new AbortController()
  const aborted = () => new Request(origin, { signal: AbortSignal.abort() })
  const answers = [
    await fetch(aborted(), { signal }),
    await fetch(new Request(aborted(), { signal: null })),
    await fetch(origin, { signal: null }),
  ]
  for (const answer of answers) expect(await answer.text()).toBe('answered')
  await expect(fetch(aborted())).rejects.toThrow(/aborted/)
})

test('fetch leaves nothing on a signal that outlives it', async () => {
  const origin = await upstream(echo)
  const { signal } = new AbortController()
  const source = new MemorySource({ authority: origin.slice('http://'.length) })
  const request = new IncomingRequest(source)
  const listeners = () => [signal, request.signal].map(of => getEventListeners(of, 'abort').length)
  const round = async () => {
    await (await fetch(origin, { signal })).text()
    await (await fetch(request)).text()
  }
  await round()
  const before = listeners()
  for (let at = 0; at < 10; at++) await round()
  expect(listeners()).toEqual(before)
})

test('fetch takes an init of any kind, with what undici adds to it', async () => {
  const origin = await upstream(echo)
  const dispatched: unknown[] = []
  class Noting extends undici.Agent {
    override dispatch(...[options, handler]: Parameters<undici.Agent['dispatch']>) {
      dispatched.push(options.headers)
      return super.dispatch(options, handler)
    }
  }
  const dispatcher = new Noting()
  closing.push(() => void dispatcher.close())
  class Init {
    readonly #headers = { 'x-name': 'Alice', host: 'elsewhere.test' }
    readonly dispatcher = dispatcher
    get headers() {
      return this.#headers
    }
  }
  const init = new Init() as unknown as RequestInit
  const echoed = (await (await fetch(origin, init)).json()) as Echoed
  expect([echoed.headers['x-name'], dispatched]).toEqual(['Alice', [expect.anything()]])
  expect(echoed.headers.host).not.toBe('elsewhere.test')
  for (const wrong of [5, { headers: null }, { headers: { 'a b': '1' } }, { signal: {} }]) {
    await expect(fetch(origin, wrong as RequestInit)).rejects.toThrow(TypeError)
    await expect(globalThis.fetch(origin, wrong as RequestInit)).rejects.toThrow(TypeError)
  }
})

test('the package undici, whose classes are others, takes ours member by member', async () => {
  const origin = await upstream(echo)
  const request = incoming()
  const { headers } = request
  for (const name of ['host', 'connection', 'keep-alive', 'transfer-encoding', 'expect']) {
    headers.delete(name)
  }
  const fetched = await undici.fetch(origin, request as unknown as undici.RequestInit)
  const response = new Response(fetched.body, fetched as unknown as ResponseInit)
  expect(response.headers.get('date')).not.toBeNull()
  const echoed = (await response.json()) as Echoed
  expect(echoed).toMatchObject({ method: 'POST', body: 'content' })
  expect(echoed.headers['x-name']).toBe('Alice')
})

test('fetch keeps the referrer of a request that can be aborted', async () => {
  const origin = await upstream(echo)
  const init = { referrer: `${origin}/from`, signal: new AbortController().signal }
  const referrers = [fetch, globalThis.fetch].map(async send => {
    const echoed = (await (await send(new globalThis.Request(origin, init))).json()) as Echoed
    return echoed.headers.referer
  })
  // Undici on Node 24 sends none.
  expect(await referrers[0]).toBe(await referrers[1])
})

test('the headers of what fetch gives cannot be changed, those of a copy can', async () => {
  const encoded = gzipSync('abc')
  const origin = await upstream((_request, response) => {
    response.writeHead(200, { 'x-name': 'Alice', 'content-encoding': 'gzip' }).end(encoded)
  })
  for (const response of [await fetch(origin), (await fetch(origin)).clone()]) {
    const { headers } = response
    expect(() => headers.set('x-name', 'Bob')).toThrow(TypeError)
    expect(() => headers.append('x-name', 'Bob')).toThrow(TypeError)
    expect(() => headers.delete('x-name')).toThrow(TypeError)
    expect([headers.get('x-name'), headers.get('content-encoding')]).toEqual(['Alice', null])
    const copy = new Response(response.body, response)
    copy.headers.set('x-name', 'Bob')
    expect([copy.headers.get('x-name'), await copy.text()]).toEqual(['Bob', 'abc'])
  }
})

test('fetch lets a body be replaced by one of another length', async () => {
  const origin = await upstream(echo)
  const init = { method: 'POST', headers: { 'content-length': '999' }, body: 'new' }
  const echoed = (await (await fetch(origin, init)).json()) as Echoed
  expect([echoed.body, echoed.headers['content-length']]).toEqual(['new', '3'])
})

test('fetch rejects, and does not throw, on a wrong argument', async () => {
  await expect(fetch('nowhere')).rejects.toThrow(TypeError)
})

test('what fetch gives is a Response with the members of a fetched one', async () => {
  const origin = await upstream((_request, response) => {
    response.setHeader('set-cookie', ['a=1', 'b=2'])
    response.end('abc')
  })
  const response = await fetch(`${origin}/x`)
  expect([response instanceof Response, response.url, response.type, response.redirected]).toEqual([
    true,
    `${origin}/x`,
    'basic',
    false,
  ])
  expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
  const outgoing = takeOutgoing(adoptResponse(response))
  expect(outgoing.headers).toEqual(expect.arrayContaining(['content-length', '3']))
  expect(outgoing.headers).not.toContain('connection')
})

test('a decoded body is never sent under the headers of the encoded one', async () => {
  const plain = 'compress me '.repeat(50)
  const origin = await upstream((_request, response) => {
    const body = gzipSync(plain)
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': body.length })
    response.end(body)
  })
  const fetched = () => fetch(origin)
  const ways: (() => Promise<Response>)[] = [
    fetched,
    () => globalThis.fetch(origin),
    async () => (await fetched()).clone(),
    async () => {
      const response = await fetched()
      return new Response(response.body, response)
    },
    async () => {
      const response = await fetched()
      return new Response(response.body, { headers: new Headers(response.headers) })
    },
  ]
  for (const way of ways) {
    const { headers, body } = takeOutgoing(adoptResponse(await way()))
    expect(headers).not.toContain('content-encoding')
    expect(headers).not.toContain('content-length')
    expect(await new globalThis.Response(body as ReadableStream).text()).toBe(plain)
  }
})

test('a coding that fetch does not decode stays as it is', async () => {
  const origin = await upstream((_request, response) => {
    response.writeHead(200, { 'content-encoding': 'x-own', 'content-length': 3 })
    response.end('abc')
  })
  const { headers } = takeOutgoing(adoptResponse(await fetch(origin)))
  expect(headers).toEqual(expect.arrayContaining(['x-own', 'content-length', '3']))
})
