import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type {
  FetchHandler,
  Listener,
  ListenerOptions,
  UpgradeHandler,
} from '../../src/http/listener.ts'
// What the host hands a listener; one test below has the platform's own.
import { FastResponse as Response } from '../../src/http/web/response.ts'
import { LISTENER_DEFAULTS } from '../http/listener-defaults.ts'
import { RawClient, statusesIn } from '../http/raw-client.ts'
import { type Certificates, makeCertificates } from '../services/certificates.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** Makes a listener that is not open yet. */
export type MakeListener = (options: ListenerOptions) => Listener

/** Keeps the event loop from turning. */
function busy(durationMs: number): void {
  const until = performance.now() + durationMs
  while (performance.now() < until);
}

/** What every implementation of the listener port does. */
export function describeListener(name: string, make: MakeListener): void {
  describe(`${name} as a listener`, () => {
    const open: { close(): Promise<void> }[] = []
    const clients: RawClient[] = []

    afterEach(async () => {
      vi.useRealTimers()
      for (const client of clients.splice(0)) client.destroy()
      for (const listener of open.splice(0)) await listener.close()
    })

    async function start(fetchHandler: FetchHandler, options: Partial<ListenerOptions> = {}) {
      const listener = make({ ...LISTENER_DEFAULTS, fetch: fetchHandler, ...options })
      open.push(listener)
      const { port } = await listener.listen()
      return { listener, port, url: `http://127.0.0.1:${port}` }
    }

    async function connect(port: number): Promise<RawClient> {
      const client = await RawClient.connect(port)
      clients.push(client)
      return client
    }

    const get = (target: string, headers = '') =>
      `GET ${target} HTTP/1.1\r\nHost: example.com\r\n${headers}\r\n`
    const post = (headers: string, body = '') =>
      `POST / HTTP/1.1\r\nHost: example.com\r\n${headers}\r\n${body}`

    describe('requests', () => {
      it('shows the function method, url, headers and body as sent', async () => {
        const { port } = await start(async request =>
          Response.json({
            method: request.method,
            url: request.url,
            name: request.headers.get('x-name'),
            body: await request.text(),
          }),
        )
        const client = await connect(port)
        client.send(
          'POST /a/../b?q=%20 HTTP/1.1\r\nHost: EXAMPLE.com:80\r\nX-Name: Alice\r\nContent-Length: 3\r\n\r\nabc',
        )
        const received = await client.untilReceived('}')
        expect(JSON.parse(received.slice(received.indexOf('{')))).toEqual({
          method: 'POST',
          url: 'http://example.com/b?q=%20',
          name: 'Alice',
          body: 'abc',
        })
      })

      it('accepts absolute-form when it agrees with Host', async () => {
        const { port } = await start(request => new Response(request.url))
        const client = await connect(port)
        client.send('GET http://example.com/x?y HTTP/1.1\r\nHost: example.com\r\n\r\n')
        expect(await client.untilReceived('\r\n\r\nhttp')).toContain('http://example.com/x?y')
      })

      it('answers OPTIONS * itself', async () => {
        const { port } = await start(() => new Response('function'))
        const client = await connect(port)
        client.send('OPTIONS * HTTP/1.1\r\nHost: example.com\r\n\r\n')
        expect(await client.untilReceived('\r\n\r\n')).toMatch(/^HTTP\/1\.1 204 [\s\S]*\r\nallow: /)
      })

      it('serves HTTP/1.0 without Host, not chunked, and closes', async () => {
        const { port } = await start(() => new Response(streamOf(['one', 'two'])))
        const client = await connect(port)
        client.send('GET / HTTP/1.0\r\n\r\n')
        const received = await client.untilClosed()
        expect(received).toMatch(/\r\n\r\nonetwo$/)
        expect(received.toLowerCase()).not.toContain('transfer-encoding')
      })

      it('believes X-Forwarded-* from a trusted proxy only', async () => {
        const echo: FetchHandler = request => new Response(request.url)
        const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'shop.example' }
        const open = await start(echo)
        const trusting = await start(echo, { trustedProxies: ['127.0.0.0/8'] })
        expect(await (await fetch(open.url, { headers })).text()).toBe(`${open.url}/`)
        expect(await (await fetch(trusting.url, { headers })).text()).toBe('https://shop.example/')
      })

      it('answers pipelined requests in order, whichever is ready first', async () => {
        const slow = Promise.withResolvers<void>()
        const { port } = await start(request => {
          if (!request.url.endsWith('/slow')) {
            slow.resolve()
            return new Response('fast')
          }
          return slow.promise.then(() => new Response('slow'))
        })
        const client = await connect(port)
        client.send(get('/slow') + get('/fast') + get('/fast'))
        const received = await client.until(text => text.split('fast').length === 3)
        expect(received.indexOf('slow')).toBeLessThan(received.indexOf('fast'))
        expect(statusesIn(received)).toEqual([200, 200, 200])
      })
    })

    describe('responses', () => {
      it('sends a Response of the platform too', async () => {
        const { url } = await start(() => globalThis.Response.json({ a: 1 }, { status: 201 }))
        const response = await fetch(url)
        expect(response.status).toBe(201)
        expect(await response.json()).toEqual({ a: 1 })
      })

      it('keeps several Set-Cookie apart', async () => {
        const headers = new Headers([
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2'],
        ])
        const { url } = await start(() => new Response('x', { headers }))
        expect((await fetch(url)).headers.getSetCookie()).toEqual(['a=1', 'b=2'])
      })

      it('sends text in UTF-8 and header values in Latin-1', async () => {
        const { port } = await start(() => new Response('é€', { headers: { 'x-name': 'é' } }))
        const received = await (await connect(port)).send(get('/')).untilReceived('\xac')
        expect(received).toContain('x-name: \xe9\r\n')
        expect(received).toMatch(/content-length: 5\r\n/i)
        expect(received).toMatch(/\r\n\r\n\xc3\xa9\xe2\x82\xac$/)
      })

      it('sends bytes, an empty body and a status text', async () => {
        const { port } = await start(request =>
          request.url.endsWith('/bytes')
            ? new Response(new Uint8Array([1, 2, 255]))
            : new Response(null, { status: 201, statusText: 'Made It' }),
        )
        const client = await connect(port)
        expect(await client.send(get('/bytes')).untilReceived('\xff')).toContain(
          '\r\n\r\n\x01\x02\xff',
        )
        const received = await client.send(get('/')).untilReceived('Made It')
        expect(received).toMatch(/HTTP\/1\.1 201 Made It\r\n[\s\S]*content-length: 0\r\n/i)
      })

      it.each([204, 304])('sends %i without body and framing', async status => {
        const { port } = await start(() => new Response(null, { status }))
        const client = await connect(port)
        client.send(get('/') + get('/'))
        const received = await client.until(text => statusesIn(text).length === 2)
        expect(received.toLowerCase()).not.toMatch(/content-length|transfer-encoding/)
      })

      it('answers HEAD with the head of GET, and cancels a stream', async () => {
        const cancelled = Promise.withResolvers<void>()
        const { port } = await start(request =>
          request.url.endsWith('/stream')
            ? new Response(new ReadableStream({ cancel: () => cancelled.resolve() }))
            : new Response('twelve bytes'),
        )
        const client = await connect(port)
        client.send('HEAD / HTTP/1.1\r\nHost: example.com\r\n\r\n')
        expect(await client.untilReceived('\r\n\r\n')).toMatch(
          /content-length: 12\r\n[\s\S]*\r\n\r\n$/i,
        )
        client.send('HEAD /stream HTTP/1.1\r\nHost: example.com\r\n\r\n')
        await cancelled.promise
        const received = await client.until(text => statusesIn(text).length === 2)
        expect(received).not.toContain('twelve')
      })

      it.each([
        [['5'], '5'],
        [['5', '5'], '5'],
        [['5', '6'], undefined],
        [['five'], undefined],
      ])(
        'sends no body under a length that is none, where a function says %j',
        async (lengths, kept) => {
          const headers = lengths.map(length => ['content-length', length] as [string, string])
          const { port } = await start(request =>
            request.url.endsWith('/304')
              ? new Response(null, { status: 304, headers })
              : new Response(null, { headers }),
          )
          const client = await connect(port)
          client.send(get('/') + get('/304') + get('/').replace('GET', 'HEAD'))
          const received = await client.until(text => statusesIn(text).length === 3)
          const sent = received
            .split(/(?=HTTP\/1\.1 )/)
            .map(head =>
              [...head.matchAll(/^content-length: (.*)\r$/gim)].map(([, value]) => value),
            )
          const said = kept === undefined ? [] : [kept]
          expect(sent).toEqual([['0'], said, said])
        },
      )

      it('keeps the connection for the next request', async () => {
        const { port, listener } = await start(() => new Response('x'))
        const client = await connect(port)
        for (let n = 1; n <= 3; n++) {
          client.send(get('/'))
          await client.until(text => statusesIn(text).length === n)
        }
        expect(listener.connections).toBe(1)
      })

      it('answers 500 when the handler throws, rejects or returns no Response', async () => {
        const handlers: FetchHandler[] = [
          () => {
            throw new Error('secret')
          },
          () => Promise.reject(new Error('secret')),
          () => 'secret' as unknown as Response,
        ]
        for (const handler of handlers) {
          const { url } = await start(handler)
          const response = await fetch(url)
          expect(response.status).toBe(500)
          expect(response.headers.get('content-type')).toBe('application/problem+json')
          expect(await response.text()).not.toContain('secret')
        }
      })
    })

    describe('streams', () => {
      it('passes chunks on as they come, both ways at once', async () => {
        const { port } = await start(request => new Response(request.body))
        const client = await connect(port)
        client.send(post('Transfer-Encoding: chunked\r\n', '3\r\none\r\n'))
        await client.untilReceived('one')
        client.send('3\r\ntwo\r\n')
        await client.untilReceived('two')
        client.send('0\r\n\r\n')
        expect(await client.untilReceived('0\r\n\r\n')).toContain('200')
      })

      it('sends the head before the first chunk is there', async () => {
        const { port } = await start(() => new Response(new ReadableStream()))
        expect(await (await connect(port)).send(get('/')).untilReceived('\r\n\r\n')).toContain(
          '200',
        )
      })

      it('stops pulling when the client does not read', async () => {
        let pulled = 0
        const endless = () =>
          new ReadableStream({
            pull(controller) {
              pulled++
              controller.enqueue(new Uint8Array(64 * KIB))
            },
          })
        const { port } = await start(() => new Response(endless()))
        const client = await connect(port)
        client.socket.pause()
        client.send(get('/'))
        // Ends only if pulling does: it is quiet when two looks a while apart see the same.
        let seen = -1
        while (pulled === 0 || pulled !== seen) {
          seen = pulled
          await new Promise(resolve => setTimeout(resolve, 100))
        }
        expect(pulled * 64 * KIB).toBeLessThan(64 * MIB)
        client.socket.resume()
        await client.until(() => pulled > seen + 10)
      })

      it('stops reading when the function does not', async () => {
        const read = Promise.withResolvers<ReadableStreamDefaultReader<Uint8Array>>()
        const { port } = await start(
          request => {
            read.resolve(request.body!.getReader())
            return new Promise<Response>(() => {})
          },
          { maxBodyBytes: 1024 * MIB },
        )
        const client = await connect(port)
        client.send(post(`Content-Length: ${512 * MIB}\r\n`))
        const reader = await read.promise
        const chunk = new Uint8Array(MIB)
        let sent = 0
        const isTaken = () =>
          new Promise<boolean>(resolve => {
            const timer = setTimeout(resolve, 300, false)
            client.socket.write(chunk, () => {
              clearTimeout(timer)
              resolve(true)
            })
          })
        while (sent < 128 && (await isTaken())) sent++
        expect(sent).toBeLessThan(128)
        expect((await reader.read()).done).toBe(false)
      })

      it('cancels the response stream and aborts the request when the client leaves', async () => {
        const cancelled = Promise.withResolvers<void>()
        const aborted = Promise.withResolvers<void>()
        const { port } = await start(request => {
          request.signal.addEventListener('abort', () => aborted.resolve())
          return new Response(
            new ReadableStream({
              start: controller => controller.enqueue(new Uint8Array([65])),
              cancel: () => cancelled.resolve(),
            }),
          )
        })
        const client = await connect(port)
        await client.send(get('/')).untilReceived('A')
        client.destroy()
        await Promise.all([cancelled.promise, aborted.promise])
      })

      it('aborts the request when the client leaves before the response', async () => {
        const called = Promise.withResolvers<AbortSignal>()
        const { port } = await start(request => {
          called.resolve(request.signal)
          return new Promise(() => {})
        })
        const client = await connect(port)
        client.send(get('/'))
        const signal = await called.promise
        client.destroy()
        await new Promise(resolve => signal.addEventListener('abort', resolve))
      })

      it('aborts the request when the client leaves with its body unread', async () => {
        const called = Promise.withResolvers<AbortSignal>()
        const { port } = await start(request => {
          if (request.body === null) return new Response('x')
          called.resolve(request.signal)
          return new Promise(() => {})
        })
        const client = await connect(port)
        client.send(post('Content-Length: 10000\r\n'))
        const signal = await called.promise
        for (let pieces = 0; pieces < 3; pieces++) {
          client.send('x'.repeat(3_000))
          // A whole exchange on another connection: the piece has been read by then.
          const other = await connect(port)
          await other.send(get('/')).untilReceived('\r\n\r\nx')
        }
        client.socket.end()
        await new Promise(resolve => signal.addEventListener('abort', resolve))
      })

      it('does not abort a request whose response was sent', async () => {
        let signal: AbortSignal | undefined
        const { port } = await start(request => {
          signal ??= request.signal
          return new Response('x')
        })
        const client = await connect(port)
        await client.send(get('/')).untilReceived('\r\n\r\nx')
        client.destroy()
        const second = await connect(port)
        await second.send(get('/')).untilReceived('\r\n\r\nx')
        expect(signal?.aborted).toBe(false)
      })

      it('cuts the connection when a stream fails after the head', async () => {
        const { port } = await start(() => {
          let chunks = 0
          return new Response(
            new ReadableStream({
              pull(controller) {
                if (++chunks === 2) throw new Error('broken')
                controller.enqueue(new Uint8Array([65]))
              },
            }),
          )
        })
        const client = await connect(port)
        const received = await client.send(get('/')).untilClosed()
        expect(statusesIn(received)).toEqual([200])
        expect(received).not.toContain('0\r\n\r\n')
      })

      it('cuts the connection when a stream fails while its response waits behind another', async () => {
        const failed = Promise.withResolvers<void>()
        const { port } = await start(request => {
          if (request.url.endsWith('/slow')) return failed.promise.then(() => new Response('slow'))
          return new Response(
            new ReadableStream({
              pull(controller) {
                setImmediate(failed.resolve)
                controller.error(new Error('broken'))
              },
            }),
          )
        })
        const client = await connect(port)
        const received = await client.send(get('/slow') + get('/')).untilClosed()
        expect(received).toMatch(/\r\n\r\nslow$/)
      })

      it('ends a response that is made of its own request when the client stops sending', async () => {
        const ended = Promise.withResolvers<unknown>()
        const { port, listener } = await start(request => {
          const reader = request.body!.getReader()
          return new Response(
            new ReadableStream({
              async pull(controller) {
                const { value } = await reader.read()
                controller.enqueue(value)
              },
              cancel: ended.resolve,
            }),
          )
        })
        const client = await connect(port)
        client.send(post('Transfer-Encoding: chunked\r\n', '3\r\nabc\r\n5\r\nde'))
        await client.untilReceived('de')
        // Announced with the head of the response: its connection is ending anyway.
        expect(client.received).toMatch(/connection: close/i)
        client.socket.end()
        await client.untilClosed()
        await ended.promise
        expect(listener.connections).toBe(0)
      })

      it.each([
        ['stopped', () => {}],
        ['left', (reader: ReadableStreamDefaultReader) => void setImmediate(() => reader.cancel())],
      ])('serves the next request after a body whose reader has %s half-way', async (_, leave) => {
        const { port } = await start(async request => {
          if (request.body === null) return new Response('next')
          const reader = request.body.getReader()
          await reader.read()
          leave(reader)
          return new Response('half')
        })
        const client = await connect(port)
        client.send(post(`Content-Length: ${300_000}\r\n`, 'x'.repeat(300_000)))
        await client.untilReceived('half')
        client.send(get('/'))
        expect(statusesIn(await client.untilReceived('next'))).toEqual([200, 200])
      })

      it('tells a reader that has stopped half-way that the request is over', async () => {
        const failed = Promise.withResolvers<unknown>()
        const { port } = await start(async request => {
          const reader = request.body!.getReader()
          await reader.read()
          reader.closed.catch(failed.resolve)
          return new Response('half')
        })
        const client = await connect(port)
        client.send(post(`Content-Length: ${300_000}\r\n`, 'x'.repeat(300_000)))
        expect(await failed.promise).toMatchObject({ code: 'CLIENT_CLOSED' })
      })

      it('leaves a body that has all arrived to a reader that takes its time', async () => {
        vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
        const [hurry, read] = [Promise.withResolvers<void>(), Promise.withResolvers<number>()]
        const { port } = await start(async request => {
          if (request.body === null) return new Response('early')
          const begun = Promise.withResolvers<void>()
          const readAll = async () => {
            let length = 0
            for await (const chunk of request.body!) {
              length += chunk.length
              begun.resolve()
              await hurry.promise
            }
            return length
          }
          readAll().then(read.resolve, read.reject)
          await begun.promise
          return new Response('early')
        })
        const client = await connect(port)
        client.send(post(`Content-Length: ${100_000}\r\n`, 'x'.repeat(100_000)))
        await client.untilReceived('early')
        // Answered only when the body before it has arrived.
        client.send(get('/'))
        await client.until(text => text.split('early').length === 3)
        vi.advanceTimersByTime(5_000)
        hurry.resolve()
        expect(await read.promise).toBe(100_000)
      })

      it('never takes the rest of a body for the whole: who reads after the answer is told', async () => {
        const outcome = Promise.withResolvers<unknown>()
        const { port } = await start(request => {
          const readAll = async () => {
            let length = 0
            for await (const chunk of request.body!) length += chunk.length
            return length
          }
          // The stream begins to read a moment later, when the answer is on its way.
          readAll().then(outcome.resolve, outcome.resolve)
          return new Response('early')
        })
        const client = await connect(port)
        client.send(post(`Content-Length: ${100_000}\r\n`, 'x'.repeat(100_000)))
        await client.untilReceived('early')
        expect(await outcome.promise).toMatchObject({ code: 'CLIENT_CLOSED' })
      })

      it('ends a connection whose request body was read half-way and left, with more than is worth reading', async () => {
        const { port } = await start(
          async request => {
            const reader = request.body!.getReader()
            await reader.read()
            reader.releaseLock()
            return new Response('half')
          },
          { maxBodyBytes: 8 * MIB },
        )
        const client = await connect(port)
        client.send(post(`Content-Length: ${3_000_000}\r\n`, 'x'.repeat(3_000_000)))
        expect(await client.untilClosed()).toMatch(/\r\n\r\nhalf$/)
      })

      it('fails reading the body when the client leaves in the middle of it', async () => {
        const failed = Promise.withResolvers<unknown>()
        const { port } = await start(async request => {
          await request.text().catch(failed.resolve)
          return new Response('x')
        })
        const client = await connect(port)
        client.send(post('Content-Length: 10\r\n', 'half'))
        client.socket.end()
        expect(await failed.promise).toMatchObject({ code: 'CLIENT_CLOSED' })
      })

      it('fails reading the body when the connection ends with an answer that came before it', async () => {
        const failed = Promise.withResolvers<unknown>()
        const { port } = await start(request => {
          request.text().catch(failed.resolve)
          return new Response('early')
        })
        const client = await connect(port)
        client.send(post('Connection: close\r\nContent-Length: 10\r\n', 'half'))
        await client.untilReceived('early')
        expect(await failed.promise).toMatchObject({ code: 'CLIENT_CLOSED' })
      })
    })

    describe('body limit', () => {
      const echoLength: FetchHandler = async request => {
        try {
          return new Response(`length ${(await request.bytes()).length}`)
        } catch (error) {
          return new Response((error as { code?: string }).code ?? String(error), { status: 413 })
        }
      }

      it('takes a body of exactly the limit', async () => {
        const { url } = await start(echoLength)
        const response = await fetch(url, { method: 'POST', body: new Uint8Array(MIB) })
        expect(await response.text()).toBe(`length ${MIB}`)
      })

      it('answers 413 from Content-Length alone, without calling the function', async () => {
        let calls = 0
        const { port } = await start(() => {
          calls++
          return new Response('x')
        })
        const client = await connect(port)
        client.send(post(`Content-Length: ${MIB + 1}\r\n`))
        const received = await client.untilReceived('PAYLOAD_TOO_LARGE')
        expect(statusesIn(received)).toEqual([413])
        expect(received).toMatch(/connection: close/i)
        await client.untilClosed()
        expect(calls).toBe(0)
      })

      it('answers 413 to a chunked body on the way, and the client gets to read it', async () => {
        const { port } = await start(echoLength)
        const client = await connect(port)
        client.send(post('Transfer-Encoding: chunked\r\n'))
        const chunk = `10000\r\n${'x'.repeat(64 * KIB)}\r\n`
        for (let n = 0; n < 20; n++) client.send(chunk)
        const received = await client.untilReceived('PAYLOAD_TOO_LARGE')
        expect(statusesIn(received)).toEqual([413])
        await client.untilClosed()
      })

      it('serves the next request after a body that nobody read', async () => {
        const { port } = await start(request => new Response(`${request.method} done`))
        const client = await connect(port)
        client.send(post('Content-Length: 5\r\n', 'never'))
        await client.untilReceived('POST done')
        client.send(post('Content-Length: 70000\r\n'))
        await client.until(text => text.split('POST done').length === 3)
        client.send('x'.repeat(70_000)).send(get('/'))
        expect(statusesIn(await client.untilReceived('GET done'))).toEqual([200, 200, 200])
      })

      it('closes the connection rather than read on and on what nobody wants', async () => {
        const { port } = await start(() => new Response('done'))
        const client = await connect(port)
        client.send(post('Transfer-Encoding: chunked\r\n', '10000\r\n'))
        expect(await client.untilReceived('done')).toMatch(/connection: close/i)
        await client.untilClosed()
      })
    })

    describe('Expect', () => {
      it('says 100 Continue when the body is read, not before', async () => {
        const read = Promise.withResolvers<void>()
        const called = Promise.withResolvers<void>()
        const { port } = await start(async request => {
          called.resolve()
          await read.promise
          return new Response(await request.text())
        })
        const client = await connect(port)
        client.send(post('Expect: 100-continue\r\nContent-Length: 4\r\n'))
        await called.promise
        expect(client.received).toBe('')
        read.resolve()
        await client.untilReceived('100 Continue\r\n\r\n')
        client.send('body')
        expect(statusesIn(await client.untilReceived('\r\n\r\nbody'))).toEqual([100, 200])
      })

      it('answers without 100 Continue when the body is not wanted', async () => {
        const { port } = await start(() => new Response('no', { status: 403 }))
        const client = await connect(port)
        client.send(post('Expect: 100-continue\r\nContent-Length: 4\r\n'))
        const received = await client.untilClosed()
        expect(statusesIn(received)).toEqual([403])
        expect(received).toMatch(/connection: close/i)
      })

      it('answers 417 to any other expectation', async () => {
        const { port } = await start(() => new Response('x'))
        const client = await connect(port)
        const received = await client.send(get('/', 'Expect: wonders\r\n')).untilClosed()
        expect(statusesIn(received)).toEqual([417])
        expect(received).toContain('EXPECTATION_FAILED')
      })
    })

    describe('Upgrade', () => {
      it('refuses WebSocket with 501', async () => {
        const { port } = await start(() => new Response('x'))
        const client = await connect(port)
        client.send(get('/', 'Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n'))
        const received = await client.untilClosed()
        expect(statusesIn(received)).toEqual([501])
        expect(received).toContain('NOT_IMPLEMENTED')
      })

      it('ignores any other protocol and goes on in HTTP/1.1', async () => {
        const { port } = await start(async request => new Response(`got ${await request.text()}`))
        const client = await connect(port)
        client.send(post('Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 4\r\n', 'body'))
        expect(statusesIn(await client.untilReceived('got body'))).toEqual([200])
      })

      it('takes nothing that was pipelined behind an Upgrade for a request by halves', async () => {
        const targets: string[] = []
        const { port } = await start(request => {
          targets.push(request.url)
          return new Response('x')
        })
        const client = await connect(port)
        client.send(`${get('/', 'Connection: Upgrade\r\nUpgrade: h2c\r\n')}POST /seen HTTP/1.1\r\n`)
        await client.untilReceived('200')
        client.send(get('/smuggled'))
        await client.untilClosed()
        expect(targets).toEqual(['http://example.com/'])
      })

      it('refuses CONNECT with 501 and TRACE with 405', async () => {
        const { port } = await start(() => new Response('x'))
        const first = await connect(port)
        first.send('CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n')
        expect(statusesIn(await first.untilClosed())).toEqual([501])
        const second = await connect(port)
        const received = await second
          .send('TRACE / HTTP/1.1\r\nHost: example.com\r\n\r\n')
          .untilClosed()
        expect(statusesIn(received)).toEqual([405])
        expect(received).toMatch(/\r\nallow: GET, /i)
      })
    })

    describe('malformed requests', () => {
      it('are answered with a problem and the connection is closed', async () => {
        const { port } = await start(() => new Response('x'))
        for (const bytes of ['nonsense\r\n\r\n', 'GET / HTTP/1.1\r\n\r\n', get('/%zz')]) {
          const client = await connect(port)
          const received = await client.send(bytes).untilClosed()
          expect(statusesIn(received)).toEqual([400])
          expect(received).toMatch(/content-type: application\/problem\+json/i)
          expect(received).toMatch(/connection: close/i)
          const problem = JSON.parse(received.slice(received.indexOf('\r\n\r\n') + 4))
          expect(problem).toMatchObject({ status: 400, code: 'BAD_REQUEST', title: 'Bad Request' })
          expect(received).toMatch(new RegExp(`x-request-id: ${problem.requestId}\r\n`, 'i'))
        }
      })

      it('carry the request id that the client has sent', async () => {
        const { port } = await start(() => new Response('x'))
        for (const target of ['GET /%zz', 'OPTIONS *']) {
          const client = await connect(port)
          client.send(`${target} HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n`)
          expect(await client.untilReceived('\r\n\r\n')).toMatch(/x-request-id: mine\r\n/i)
        }
      })

      it('let the responses before them go out first', async () => {
        const ready = Promise.withResolvers<void>()
        const called = Promise.withResolvers<void>()
        const { port } = await start(async () => {
          called.resolve()
          await ready.promise
          return new Response('good')
        })
        const client = await connect(port)
        client.send(`${get('/')}nonsense\r\n\r\n`)
        await called.promise
        ready.resolve()
        const received = await client.untilClosed()
        // Behind them the refusal, where the order of both can be kept.
        expect(statusesIn(received)).toEqual(expect.toBeOneOf([[200], [200, 400]]))
        expect(received).toContain('good')
      })

      it('answers a broken body in place of the response', async () => {
        const { port } = await start(async request => new Response(await request.text()))
        const client = await connect(port)
        client.send(post('Transfer-Encoding: chunked\r\n', 'zz\r\n'))
        expect(statusesIn(await client.untilClosed())).toEqual([400])
      })
    })

    describe('drain', () => {
      it('takes new connections during the linger, also when none was open, and none after', async () => {
        const { listener, port } = await start(() => new Response('x'))
        const drained = listener.drain(200)
        const client = await connect(port)
        await client.send(get('/')).untilReceived('\r\n\r\nx')
        await drained
        await expect(RawClient.connect(port)).rejects.toThrow('ECONNREFUSED')
      })

      it('sends open connections away with their next response, new ones after the linger', async () => {
        const { listener, port } = await start(() => new Response('x'))
        const old = await connect(port)
        await old.send(get('/')).untilReceived('\r\n\r\nx')
        const drained = listener.drain(500)
        const fresh = await connect(port)
        expect(await fresh.send(get('/')).untilReceived('\r\n\r\nx')).not.toMatch(
          /connection: close/i,
        )
        expect(await old.send(get('/')).untilClosed()).toMatch(
          /connection: close\r\n[\s\S]*\r\n\r\nx$/i,
        )
        await fresh.untilClosed()
        await drained
        expect(listener.connections).toBe(0)
        await expect(RawClient.connect(port)).rejects.toThrow('ECONNREFUSED')
      })

      it('answers all that was pipelined before it', async () => {
        const ready = Promise.withResolvers<void>()
        const called = Promise.withResolvers<void>()
        const { listener, port } = await start(async request => {
          if (request.url.endsWith('/3')) called.resolve()
          await ready.promise
          return new Response('x')
        })
        const client = await connect(port)
        client.send(get('/1') + get('/2') + get('/3'))
        await called.promise
        const drained = listener.drain(50)
        ready.resolve()
        expect(statusesIn(await client.untilClosed())).toEqual([200, 200, 200])
        await drained
      })

      it('closes an idle connection when its linger is over', async () => {
        const { listener, port } = await start(() => new Response('x'))
        const client = await connect(port)
        await client.send(get('/')).untilReceived('\r\n\r\nx')
        const drained = listener.drain(50)
        expect(client.isClosed).toBe(false)
        await client.untilClosed()
        await drained
      })

      it('answers what has arrived while the process was busy at the end of the linger', async () => {
        const { listener, port } = await start(() => new Response('x'))
        const client = await connect(port)
        await client.send(get('/')).untilReceived('\r\n\r\nx')
        const drained = listener.drain(50)
        client.send(get('/'))
        busy(200)
        expect(statusesIn(await client.untilClosed())).toEqual([200, 200])
        await drained
      })

      it('answers a connection that has waited while the process was busy at the end of the linger', async () => {
        const { listener, port } = await start(() => new Response('x'))
        const drained = listener.drain(50)
        const connected = connect(port)
        busy(200)
        const client = await connected
        expect(statusesIn(await client.send(get('/')).untilClosed())).toEqual([200])
        await drained
      })

      it('finishes what is in flight, however long after the linger', async () => {
        const stream = Promise.withResolvers<ReadableStreamDefaultController>()
        const { listener, port } = await start(
          () => new Response(new ReadableStream({ start: stream.resolve })),
        )
        const client = await connect(port)
        await client.send(get('/')).untilReceived('\r\n\r\n')
        const other = await connect(port)
        let isDrained = false
        const drained = listener.drain(20).then(() => {
          isDrained = true
        })
        await other.untilClosed()
        expect(isDrained).toBe(false)
        const controller = await stream.promise
        controller.enqueue(new Uint8Array([65]))
        controller.close()
        await client.untilReceived('0\r\n\r\n')
        await drained
        expect(await client.untilClosed()).toContain('A')
      })

      it('waits for a request that had begun to arrive', async () => {
        const { listener, port } = await start(() => new Response('late'))
        const client = await connect(port)
        await client.send(get('/')).untilReceived('late')
        client.send('GET / HTTP/1.1\r\nHost: ')
        const idle = await connect(port)
        // A whole exchange on another connection: the half request has been read by then.
        await idle.send(get('/')).untilReceived('late')
        const drained = listener.drain(50)
        await idle.untilClosed()
        expect(client.isClosed).toBe(false)
        client.send('example.com\r\n\r\n')
        expect(statusesIn(await client.untilClosed())).toEqual([200, 200])
        await drained
      })

      it('loses no request of connections that are in use when it begins', async () => {
        const { listener, port } = await start(request =>
          request.url.endsWith('/now') ? new Response('x') : Promise.resolve(new Response('x')),
        )
        const isUnderWay = Promise.withResolvers<void>()
        let answered = 0
        const asking = Array.from({ length: 8 }, async (_, i) => {
          const client = await connect(port)
          for (let n = 1; ; n++) {
            client.send(get(i % 2 === 0 ? '/now' : '/soon'))
            const received = await client.until(text => text.split('\r\n\r\nx').length === n + 1)
            if (/connection: close/i.test(received)) return
            if (++answered === 200) isUnderWay.resolve()
          }
        })
        await isUnderWay.promise
        await Promise.all([...asking, listener.drain(500)])
      })

      it('is cut short by close', async () => {
        const { listener, port } = await start(() => new Promise<Response>(() => {}))
        const client = await connect(port)
        client.send(get('/'))
        const drained = listener.drain(60_000)
        await listener.close()
        await drained
        await client.untilClosed()
      })
    })

    describe('close', () => {
      it('cuts every connection, can be repeated, and ends an await using', async () => {
        const { listener, port } = await start(() => new Promise<Response>(() => {}))
        const client = await connect(port)
        client.send(get('/'))
        await Promise.all([listener.close(), listener.close()])
        await listener[Symbol.asyncDispose]()
        await client.untilClosed()
        expect(listener.connections).toBe(0)
      })

      it('is harmless before listen', async () => {
        await make({ ...LISTENER_DEFAULTS, fetch: () => new Response('x') }).close()
      })
    })

    it('refuses to listen on a port that is taken', async () => {
      const { port } = await start(() => new Response('x'))
      const second = make({ ...LISTENER_DEFAULTS, fetch: () => new Response('x'), port })
      await expect(second.listen()).rejects.toThrow('EADDRINUSE')
      await second.close()
    })

    describe('limits', () => {
      it.each(['maxConnections', 'maxAddressConnections'] as const)(
        'answers the first request beyond %s with 503 and ends it',
        async limit => {
          const rejected: string[] = []
          const { port } = await start(() => new Response('x'), {
            [limit]: 1,
            onRejected: code => rejected.push(code),
          })
          const first = await connect(port)
          await first.send(get('/')).untilReceived('\r\n\r\nx')
          const second = await connect(port)
          const received = await second.send(get('/')).untilClosed()
          expect(statusesIn(received)).toEqual([503])
          expect(received).toMatch(/retry-after: 1\r\n/i)
          expect(received).toMatch(/connection: close\r\n/i)
          expect(rejected).toEqual(['OVERLOADED'])
          await first.send(get('/')).until(text => statusesIn(text).length === 2)
          first.destroy()
          await vi.waitFor(async () => {
            const third = await connect(port)
            expect(statusesIn(await third.send(get('/')).untilReceived('\r\n\r\n'))).toEqual([200])
          })
        },
      )

      it.each([
        ['says nothing', ''],
        ['begins a request', 'GET / HTTP/1.1\r\n'],
      ])('soon cuts a connection beyond maxConnections that %s', async (_, bytes) => {
        const { port } = await start(() => new Response('x'), { maxConnections: 1 })
        await connect(port)
        const second = await connect(port)
        expect(await second.send(bytes).untilClosed()).toBe('')
      })

      it('ends a connection with the last of its requests', async () => {
        const { port } = await start(() => new Response('x'), { maxConnectionRequests: 2 })
        const client = await connect(port)
        const first = await client.send(get('/')).untilReceived('\r\n\r\nx')
        expect(first).not.toMatch(/connection: close/i)
        const received = await client.send(get('/') + get('/')).untilClosed()
        expect(statusesIn(received)).toEqual([200, 200])
        expect(received).toMatch(/connection: close/i)
      })

      it('refuses more headers than maxHeaders with 431, and takes just as many', async () => {
        const { port } = await start(() => new Response('x'), { maxHeaders: 3 })
        const client = await connect(port)
        await client.send(get('/', 'A: 1\r\nB: 2\r\n')).untilReceived('\r\n\r\nx')
        client.send(get('/', 'A: 1\r\nB: 2\r\nC: 3\r\n'))
        expect(statusesIn(await client.untilClosed())).toEqual([200, 431])
      })

      it('answers 408 to a body that comes more slowly than minBodyRate', async () => {
        const { port } = await start(async request => new Response(await request.text()), {
          minBodyRateBytes: 1_000_000,
        })
        const client = await connect(port)
        client.send(post('Content-Length: 1000\r\n', 'x'))
        const received = await client.untilClosed()
        expect(statusesIn(received)).toEqual([408])
        expect(received).toContain('too slowly')
      }, 20_000)

      it('cuts a client that takes nothing of its response', async () => {
        const rejected: string[] = []
        const { port, listener } = await start(() => new Response(new Uint8Array(64 * MIB)), {
          responseStallTimeoutMs: 100,
          onRejected: code => rejected.push(code),
        })
        const client = await connect(port)
        client.socket.pause()
        client.send(get('/'))
        await vi.waitFor(() => expect(rejected).toEqual(['RESPONSE_STALLED']), 5_000)
        await vi.waitFor(() => expect(listener.connections).toBe(0))
      })

      it('lets a client be slow that takes its response bit by bit', async () => {
        const { port } = await start(() => new Response(new Uint8Array(16 * MIB)), {
          responseStallTimeoutMs: 400,
        })
        const client = await connect(port)
        client.send(get('/'))
        const pace = setInterval(() => {
          if (client.socket.isPaused()) client.socket.resume()
          else client.socket.pause()
        }, 50)
        await client.until(text => text.length > 16 * MIB).finally(() => clearInterval(pace))
      })

      it('keeps an idle connection longer than a head may take', async () => {
        const { port } = await start(() => new Response('x'), {
          headersTimeoutMs: 100,
          keepAliveTimeoutMs: 2_000,
        })
        const client = await connect(port)
        await client.send(get('/')).untilReceived('\r\n\r\nx')
        await new Promise(resolve => setTimeout(resolve, 400))
        client.send(get('/'))
        await client.until(text => statusesIn(text).length === 2)
      })

      it('ends an idle connection after keepAliveTimeout', async () => {
        const { port } = await start(() => new Response('x'), { keepAliveTimeoutMs: 100 })
        const client = await connect(port)
        expect(statusesIn(await client.send(get('/')).untilClosed())).toEqual([200])
      })
    })

    it('takes over a connection for another protocol, and tells its hook what came behind', async () => {
      const seen = Promise.withResolvers<string>()
      const chat: UpgradeHandler = (request, socket, head) => {
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n',
        )
        seen.resolve(`${request.url} ${Buffer.from(head).toString('latin1')}`)
        socket.on('data', data => socket.end(data))
      }
      const { port, listener } = await start(() => new Response('x'), {
        upgrades: new Map([['chat', chat]]),
      })
      const client = await connect(port)
      client.send(get('/first'))
      await client.untilReceived('\r\n\r\nx')
      client.send(`${get('/chat', 'Connection: upgrade\r\nUpgrade: Chat\r\n')}early`)
      await client.untilReceived('101 Switching')
      expect(await seen.promise).toBe('http://example.com/chat early')
      expect(await client.send('ping').untilClosed()).toMatch(/\r\n\r\nping$/)
      await vi.waitFor(() => expect(listener.connections).toBe(0))
    })

    it('replaces a Unix socket that was left behind, but none that is in use', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'fezz-listener-'))
      const path = join(folder, 'http.sock')
      // What ends without closing leaves the file.
      execFileSync(process.execPath, [
        '-e',
        `require('net').createServer().listen(${JSON.stringify(path)}, () => process.exit())`,
      ])
      await start(() => new Response('x'), { path })
      const second = make({ ...LISTENER_DEFAULTS, fetch: () => new Response('y'), path })
      await expect(second.listen()).rejects.toThrow('EADDRINUSE')
      await second.close()
      const client = new RawClient(createConnection(path))
      clients.push(client)
      await client.send(get('/')).untilReceived('\r\n\r\nx')
      await rm(folder, { recursive: true })
    })

    it('listens on a Unix socket', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'fezz-listener-'))
      const path = join(folder, 'http.sock')
      await start(request => new Response(request.url), { path, trustedProxies: ['unix'] })
      const client = new RawClient(createConnection(path))
      clients.push(client)
      client.send(get('/x', 'X-Forwarded-Proto: https\r\n'))
      expect(await client.untilReceived('/x')).toContain('https://example.com/x')
      await rm(folder, { recursive: true })
    })

    describe('TLS', () => {
      let folder: string
      let files: Certificates
      beforeAll(async () => {
        folder = await mkdtemp(join(tmpdir(), 'fezz-tls-'))
        files = await makeCertificates(folder)
      })
      afterAll(() => rm(folder, { recursive: true }))
      const pem = (file: string) => readFileSync(file)
      const server = () => ({ cert: pem(files.serverCert), key: pem(files.serverKey) })

      async function connectTls(port: number, options: ConnectionOptions = {}): Promise<RawClient> {
        const socket = tlsConnect({ port, host: '127.0.0.1', ca: pem(files.ca), ...options })
        const client = new RawClient(socket)
        clients.push(client)
        await once(socket, 'secureConnect')
        return client
      }

      it('serves HTTPS, and says so', async () => {
        const { port, listener } = await start(
          async request => new Response(`${request.url} ${await request.text()}`),
          { tls: server() },
        )
        const client = await connectTls(port)
        client.send(post('Content-Length: 4\r\n', 'body'))
        await client.untilReceived('https://example.com/ body')
        client.send(get('/again', 'Connection: close\r\n'))
        expect(await client.untilClosed()).toContain('https://example.com/again')
        await vi.waitFor(() => expect(listener.connections).toBe(0))
      })

      it('streams a large body both ways', async () => {
        const { port } = await start(request => new Response(request.body), { tls: server() })
        const client = await connectTls(port)
        const body = 'x'.repeat(MIB)
        client.send(post(`Content-Length: ${MIB}\r\n`, body))
        const received = await client.until(text => text.endsWith(body))
        expect(received).toMatch(/content-length: 1048576\r\n/i)
      })

      it('takes clients with a certificate alone where it knows who signs them', async () => {
        const { port } = await start(() => new Response('x'), {
          tls: { ...server(), clientCa: pem(files.ca) },
        })
        const known = await connectTls(port, {
          cert: pem(files.clientCert),
          key: pem(files.clientKey),
        })
        await known.send(get('/')).untilReceived('\r\n\r\nx')
        // In TLS 1.3 the client hears of it only when it reads.
        const stranger = await connectTls(port)
        expect(await stranger.send(get('/')).untilClosed()).toBe('')
      })

      it('closes a connection that speaks no TLS', async () => {
        const { port, listener } = await start(() => new Response('x'), { tls: server() })
        const client = await connect(port)
        client.send(get('/'))
        expect(statusesIn(await client.untilClosed())).toEqual([])
        await vi.waitFor(() => expect(listener.connections).toBe(0))
      })
    })

    it('answers 503 to a request by a connection beyond maxConnections', async () => {
      const { port } = await start(() => new Response('x'), { maxConnections: 1 })
      const first = await connect(port)
      await first.send(get('/')).untilReceived('\r\n\r\nx')
      const second = await connect(port)
      const received = await second.send(get('/')).untilClosed()
      expect(statusesIn(received)).toEqual([503])
      expect(received).toMatch(/retry-after: 1\r\n/i)
    })

    it('answers 408 when a head or a body does not arrive in time', async () => {
      const { port } = await start(async request => new Response(await request.text()), {
        headersTimeoutMs: 100,
        requestTimeoutMs: 200,
      })
      for (const bytes of ['GET / HTTP/1.1\r\nHost: ', post('Content-Length: 10\r\n', 'half')]) {
        const client = await connect(port)
        const received = await client.send(bytes).untilClosed()
        expect(statusesIn(received)).toEqual([408])
        expect(received).toContain('REQUEST_TIMEOUT')
      }
    })
  })
}

function streamOf(chunks: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(Buffer.from(chunk))
      controller.close()
    },
  })
}
