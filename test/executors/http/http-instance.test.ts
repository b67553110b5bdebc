import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { FezzError } from '../../../src/errors.ts'
import { HttpInstance } from '../../../src/executors/http/http-instance.ts'
import { probe } from '../../../src/executors/http/readiness.ts'
import type { InstanceExit } from '../../../src/function/contract.ts'
import { abortRequest, IncomingRequest } from '../../../src/http/web/incoming-request.ts'
import { adoptResponse, takeOutgoing } from '../../../src/http/web/outgoing.ts'
import type { RequestSource } from '../../../src/http/web/source.ts'
import { call, context, incoming, serve, servePeer } from './http-setup.ts'

const KIB_65 = 'x'.repeat(65 * 1024)

/** A head that a program might send, and what comes after it. */
const raw = (...lines: readonly string[]) => lines.join('\r\n')

function sourceWith(more: Partial<RequestSource>): IncomingRequest {
  return new IncomingRequest({
    method: 'GET',
    scheme: 'http',
    authority: 'functions.example',
    target: '/',
    rawHeaders: [],
    requestId: undefined,
    clientAddress: '192.0.2.1',
    body: null,
    onAbort() {},
    ...more,
  })
}

/** Answers with what it was asked. */
async function mirror(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const body = await text(req)
  res.end(JSON.stringify({ method: req.method, url: req.url, fields: req.rawHeaders, body }))
}

describe('a request to a server', () => {
  it('goes on with its method, target and body as they came', async () => {
    await using served = await serve(mirror)
    const response = await call(served.instance, '/a/b%20c?d=e', { method: 'PATCH', body: 'Grüße' })
    expect(await response.json()).toMatchObject({
      method: 'PATCH',
      url: '/a/b%20c?d=e',
      body: 'Grüße',
    })
  })

  it('goes on with its end-to-end fields, several of a name, and with what the host knows', async () => {
    await using served = await serve(mirror)
    const request = sourceWith({
      scheme: 'https',
      rawHeaders: [
        ...['Host', 'wrong.example', 'X-Twice', 'a', 'Connection', 'keep-alive, X-Hop'],
        ...['X-Hop', 'dropped', 'x-twice', 'b', 'TE', 'trailers', 'Keep-Alive', 'timeout=5'],
        ...['X-Forwarded-For', '6.6.6.6', 'Forwarded', 'for=6.6.6.6', 'x-real-ip', '6.6.6.6'],
        ...['X-Forwarded-Proto', 'gopher', 'X-Forwarded-Port', '1', 'X-Request-Id', 'forged'],
        ...['X-Fezz-Params', '{}', 'Expect', '100-continue', 'traceparent', '00-1-2-01'],
        ...['Cookie', 'a=1', 'Cookie', 'b=2', 'X-Latin', '\xe9'],
        // To WSGI and CGI a name with _ is the same as with -, and Proxy is HTTP_PROXY.
        ...['X_Forwarded_For', '6.6.6.6', 'x_fezz-params', '{}', 'X-Forwarded-Prefix', '/admin'],
        ...['Proxy', 'http://6.6.6.6', 'x_own', 'kept'],
      ],
    })
    const response = await served.instance.fetch(request, {
      ...context,
      params: { name: 'Zoë', '*': 'a/b' },
    })
    const { fields } = (await response.json()) as { fields: string[] }
    expect(fields).toEqual([
      ...['host', 'functions.example', 'connection', 'keep-alive', 'X-Twice', 'a', 'x-twice', 'b'],
      ...['traceparent', '00-1-2-01', 'Cookie', 'a=1', 'Cookie', 'b=2', 'X-Latin', '\xe9'],
      ...['x_own', 'kept', 'x-forwarded-for', '192.0.2.1', 'x-forwarded-proto', 'https'],
      ...['x-forwarded-host', 'functions.example', 'x-request-id', 'request-1'],
      ...['x-fezz-params', '{"name":"Zo\\u00eb","*":"a/b"}'],
    ])
  })

  it('streams its body as it comes, and keeps its length when that is known', async () => {
    const lengths: (string | undefined)[] = []
    await using served = await serve((req, res) => {
      lengths.push(req.headers['content-length'])
      req.pipe(res)
    })
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
    const writer = writable.getWriter()
    const answering = call(served.instance, '/', { method: 'POST', body: readable, duplex: 'half' })
    const first = writer.write(Buffer.from('one'))
    const reader = (await answering).body!.getReader()
    expect(String(Buffer.from((await reader.read()).value!))).toBe('one')
    await first
    await Promise.all([writer.write(Buffer.from('two')), writer.close()])
    expect(String(Buffer.from((await reader.read()).value!))).toBe('two')
    expect((await reader.read()).done).toBe(true)

    const headers = { 'content-length': String(KIB_65.length) }
    const known = await call(served.instance, '/', { method: 'PUT', body: KIB_65, headers })
    expect(await known.text()).toBe(KIB_65)
    expect(lengths).toEqual([undefined, String(KIB_65.length)])
  })

  it('takes from its body no more than the server reads', async () => {
    await using served = await serve(req => req.pause())
    let pulled = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled += 65_536
        controller.enqueue(new Uint8Array(65_536))
      },
    })
    const request = incoming('/', { method: 'POST', body, duplex: 'half' })
    const answering = served.instance.fetch(request, context)
    let before = -1
    await expect
      .poll(() => {
        const stands = pulled > 0 && pulled === before
        before = pulled
        return stands
      })
      .toBe(true)
    expect(pulled).toBeLessThan(64 << 20)
    abortRequest(request)
    await expect(answering).rejects.toThrow()
  })

  it('fails with the error of its body', async () => {
    await using served = await serve(req => req.resume())
    const body = {
      bytes: () => Promise.reject(new FezzError('PAYLOAD_TOO_LARGE', 'too large')),
      stream: () =>
        new ReadableStream<Uint8Array<ArrayBuffer>>({
          pull: controller => controller.error(new FezzError('PAYLOAD_TOO_LARGE', 'too large')),
        }),
    }
    const streamed = sourceWith({ method: 'POST', body })
    const whole = sourceWith({ method: 'POST', body, rawHeaders: ['Content-Length', '5'] })
    for (const request of [streamed, whole]) {
      await expect(served.instance.fetch(request, context)).rejects.toMatchObject({
        code: 'PAYLOAD_TOO_LARGE',
      })
    }
  })

  it('goes to a unix socket too', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fezz-http-'))
    const socketPath = join(folder, 'server.sock')
    const server = createServer(mirror).listen(socketPath)
    await once(server, 'listening')
    const instance = new HttpInstance({
      address: { socketPath },
      end: async () => {},
      exited: new Promise(() => {}),
      clock: systemClock,
    })
    expect(await (await call(instance, '/x')).json()).toMatchObject({ url: '/x' })
    await instance.unload()
    server.close()
    await once(server, 'close')
    rmSync(folder, { recursive: true })
  })

  it('waits for a place where the queue of a unix socket is short', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fezz-http-'))
    const socketPath = join(folder, 'server.sock')
    // A process of its own: this one accepts as fast as it connects.
    const script = `const server = require('node:http').createServer((_, response) => {
      for (const end = Date.now() + 2; Date.now() < end; );
      response.end('served')
    })
    server.listen({ path: ${JSON.stringify(socketPath)}, backlog: 1 }, () => console.log('up'))`
    const server = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] })
    onTestFinished(() => void server.kill())
    await once(server.stdout, 'data')
    const address = { socketPath }
    const exited = new Promise<InstanceExit>(() => {})
    const instance = new HttpInstance({ address, end: async () => {}, exited, clock: systemClock })
    const answers = Array.from({ length: 50 }, async () => (await call(instance, '/')).text())
    expect(new Set(await Promise.all(answers))).toEqual(new Set(['served']))
    await instance.unload()
    rmSync(folder, { recursive: true })
  })

  it('does not follow a link in place of a unix socket, which may lead to anybody', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fezz-http-'))
    const engine = createServer(mirror).listen(join(folder, 'engine.sock'))
    await once(engine, 'listening')
    symlinkSync('engine.sock', join(folder, 'server.sock'))
    const address = { socketPath: join(folder, 'server.sock') }
    const exited = new Promise<InstanceExit>(() => {})
    const instance = new HttpInstance({ address, end: async () => {}, exited, clock: systemClock })
    await expect(call(instance, '/containers/json')).rejects.toMatchObject({ code: 'BAD_RESPONSE' })
    const sign = { kind: 'answer' } as const
    expect(await probe(address, { sign, limitMs: 5_000, clock: systemClock })).toBe(false)
    await instance.unload()
    engine.close()
    await once(engine, 'close')
    rmSync(folder, { recursive: true })
  })

  it('is refused when it is a CONNECT', async () => {
    await using served = await serve(mirror)
    const answer = served.instance.fetch(sourceWith({ method: 'CONNECT' }), context)
    await expect(answer).rejects.toMatchObject({ code: 'NOT_IMPLEMENTED' })
  })
})

describe('a response from a server', () => {
  it('comes back with its status, its fields and several of a name', async () => {
    await using served = await serve((_, res) => {
      res.writeHead(203, 'Second Hand', [
        ['Set-Cookie', 'a=1'],
        ['set-cookie', 'b=2'],
        ['X-One', ' padded  '],
        ['Connection', 'X-Hop'],
        ['X-Hop', 'dropped'],
      ] as never)
      res.end('body')
    })
    const response = await call(served.instance, '/')
    expect([response.status, response.statusText]).toEqual([203, 'Second Hand'])
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    const { headers, body } = takeOutgoing(adoptResponse(response))
    expect(headers).toContain('padded')
    expect(headers).not.toContain('x-hop')
    expect(headers.slice(-2)).toEqual(['content-length', '4'])
    expect(String(body)).toBe('body')
  })

  it.each([
    ['known to be small', 'Content-Length: 5\r\n\r\nhello'],
    ['there at once with its head', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
  ])('is in memory when it is %s', async (_, rest) => {
    await using served = await servePeer(socket => {
      socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\n${rest}`))
    })
    const { body } = takeOutgoing(adoptResponse(await call(served.instance, '/')))
    expect(body).toBeInstanceOf(Uint8Array)
    expect(String(body)).toBe('hello')
  })

  it('streams when it is long or comes bit by bit, and keeps its length', async () => {
    await using served = await serve((req, res) => {
      if (req.url === '/long') res.setHeader('content-length', KIB_65.length).end(KIB_65)
      else res.write('first')
    })
    const long = takeOutgoing(adoptResponse(await call(served.instance, '/long')))
    expect(long.body).toBeInstanceOf(ReadableStream)
    expect(long.headers.slice(-2)).toEqual(['content-length', String(KIB_65.length)])
    expect(String(await buffer(long.body as never))).toBe(KIB_65)
    const reader = (await call(served.instance, '/')).body!.getReader()
    expect(String(Buffer.from((await reader.read()).value!))).toBe('first')
    await reader.cancel()
  })

  it('flows no faster than it is read', async () => {
    let sent = 0
    await using served = await serve(async (_, res) => {
      const chunk = Buffer.alloc(65_536)
      const closed = once(res, 'close')
      while (!res.destroyed && sent < 256 << 20) {
        sent += chunk.length
        if (!res.write(chunk)) await Promise.race([once(res, 'drain'), closed])
      }
    })
    const response = await call(served.instance, '/')
    let before = -1
    await expect
      .poll(() => {
        const stands = sent > 0 && sent === before
        before = sent
        return stands
      })
      .toBe(true)
    expect(sent).toBeLessThan(64 << 20)
    await response.body!.cancel()
    await expect.poll(() => served.open).toBe(0)
  })

  it('has no body after HEAD, 204 and 304, and keeps the length that they tell', async () => {
    await using served = await serve((req, res) => {
      const status = Number(req.url!.slice(1))
      res.writeHead(status, status === 204 ? {} : { 'content-length': 4 })
      res.end(req.method === 'HEAD' || status !== 200 ? undefined : 'body')
    })
    const outgoing = async (target: string, method = 'GET') => {
      const response = await call(served.instance, target, { method })
      return takeOutgoing(adoptResponse(response))
    }
    expect(await outgoing('/200', 'HEAD')).toMatchObject({ status: 200, body: null })
    expect((await outgoing('/200', 'HEAD')).headers).toContain('content-length')
    expect(await outgoing('/204')).toMatchObject({ status: 204, body: null })
    expect(await outgoing('/304')).toMatchObject({ status: 304, body: null })
    expect((await outgoing('/304')).headers).toContain('content-length')
  })

  it('loses the body that a 205 must not have, however long', async () => {
    await using served = await serve((_, res) => {
      res.writeHead(205)
      for (let round = 0; round < 100; round++) res.write(KIB_65)
      res.end()
    })
    const response = await call(served.instance, '/')
    expect(takeOutgoing(adoptResponse(response))).toMatchObject({ status: 205, body: null })
  })

  it('keeps every byte of its fields but the space around them', async () => {
    await using served = await servePeer(socket => {
      socket.once('data', () => {
        // The last letter in UTF-8 ends with the byte of a no-break space in Latin-1.
        socket.end('HTTP/1.1 200 OK\r\nX-Name: \t voilà \r\nContent-Length: 0\r\n\r\n')
      })
    })
    const value = (await call(served.instance, '/')).headers.get('x-name') as string
    expect(Buffer.from(value, 'latin1').toString()).toBe('voilà')
  })

  it('comes after informational ones, which are left out', async () => {
    await using served = await serve((_, res) => {
      res.writeProcessing()
      res.writeEarlyHints({ link: '</style.css>; rel=preload' })
      res.end('final')
    })
    const response = await call(served.instance, '/')
    expect([response.status, await response.text()]).toEqual([200, 'final'])
    expect(response.headers.has('link')).toBe(false)
  })

  it('may come before the request has ended', async () => {
    await using served = await serve((_, res) => res.writeHead(413).end('enough'))
    const body = new ReadableStream<Uint8Array>({
      pull: controller => controller.enqueue(new Uint8Array(1024)),
    })
    const response = await call(served.instance, '/', { method: 'POST', body, duplex: 'half' })
    expect([response.status, await response.text()]).toEqual([413, 'enough'])
  })

  it('is refused when its body is longer than allowed, told or not', async () => {
    await using served = await serve(
      (req, res) => {
        if (req.url === '/told') res.setHeader('content-length', 11).end('hello world')
        else if (req.url === '/exact') res.setHeader('content-length', 10).end('hello worl')
        else res.write('hello ')
        if (req.url === '/later') setTimeout(() => res.end('world'), 20)
      },
      { maxOutputBytes: 10 },
    )
    expect(await (await call(served.instance, '/exact')).text()).toBe('hello worl')
    await expect(call(served.instance, '/told')).rejects.toMatchObject({ code: 'BAD_RESPONSE' })
    const later = await call(served.instance, '/later')
    await expect(later.text()).rejects.toMatchObject({ code: 'BAD_RESPONSE' })
  })
})

describe('a request that is given up', () => {
  it('ends at the server, with the reason here', async () => {
    const left = Promise.withResolvers<void>()
    await using served = await serve((_, res) => void res.on('close', left.resolve))
    const request = incoming('/')
    const answer = served.instance.fetch(request, context)
    await expect.poll(() => served.open).toBe(1)
    abortRequest(request, new RangeError('enough'))
    await expect(answer).rejects.toThrow(new RangeError('enough'))
    await left.promise
  })

  it('breaks off the response that streams', async () => {
    await using served = await serve((_, res) => res.write('first'))
    const request = incoming('/')
    const response = await served.instance.fetch(request, context)
    abortRequest(request, new RangeError('enough'))
    await expect(response.text()).rejects.toThrow(new RangeError('enough'))
    await expect.poll(() => served.open).toBe(0)
  })

  it('ends at the server when the reader of the response leaves', async () => {
    await using served = await serve((_, res) => res.write('first'))
    const response = await call(served.instance, '/')
    await response.body!.cancel()
    await expect.poll(() => served.open).toBe(0)
  })

  it('is not sent when that happens while its body is read', async () => {
    let asked = 0
    await using served = await serve((_, res) => {
      asked++
      res.end()
    })
    const body = { bytes: () => new Promise<never>(() => {}), stream: () => new ReadableStream() }
    const request = sourceWith({ method: 'POST', body, rawHeaders: ['content-length', '5'] })
    const answer = served.instance.fetch(request, context)
    abortRequest(request, new RangeError('enough'))
    await expect(answer).rejects.toThrow(new RangeError('enough'))
    await call(served.instance, '/')
    expect(asked).toBe(1)
  })

  it('is told to the owner when it was at its deadline, and else not', async () => {
    let overdue = 0
    await using served = await serve(() => {}, { overdue: () => void overdue++ })
    for (const name of ['AbortError', 'TimeoutError']) {
      const request = incoming('/')
      const answer = served.instance.fetch(request, context)
      abortRequest(request, new DOMException('given up', name))
      await expect(answer).rejects.toThrow('given up')
    }
    expect(overdue).toBe(1)
  })
})

describe('a broken server', () => {
  it.each([
    ['speaks no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['breaks off in its head', 'HTTP/1.1 200 OK\r\nContent-Le'],
    [
      'breaks off in a body whose length it told',
      raw('HTTP/1.1 200 OK', 'Content-Length: 9', '', 'abc'),
    ],
    ['hangs up without a word', ''],
    [
      'tells two lengths',
      raw('HTTP/1.1 200 OK', 'Content-Length: 1', 'Content-Length: 2', '', 'ab'),
    ],
    [
      'upgrades unasked',
      raw('HTTP/1.1 101 Switching Protocols', 'Upgrade: x', 'Connection: upgrade', '', ''),
    ],
    ['has a status out of range', raw('HTTP/1.1 999 What', 'Content-Length: 0', '', '')],
    ['has an endless head', `HTTP/1.1 200 OK\r\n${'X-A: b\r\n'.repeat(20_000)}`],
  ])('that %s is a bad response', async (_, bytes) => {
    await using served = await servePeer(socket => {
      socket.once('data', () => socket.end(bytes))
    })
    const error = await call(served.instance, '/').catch(error => error)
    expect(error).toBeInstanceOf(FezzError)
    expect(error.code).toBe('BAD_RESPONSE')
  })

  it('that breaks off in a streaming body breaks off the response', async () => {
    await using served = await servePeer(socket => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
        setTimeout(() => socket.destroy(), 20)
      })
    })
    const response = await call(served.instance, '/')
    await expect(response.text()).rejects.toThrow()
  })

  it('that does not listen is a bad response', async () => {
    const served = await serve(() => {})
    const { port } = served
    await served[Symbol.asyncDispose]()
    const instance = new HttpInstance({
      address: { host: '127.0.0.1', port },
      end: async () => {},
      exited: new Promise(() => {}),
      clock: systemClock,
    })
    await expect(call(instance, '/')).rejects.toMatchObject({ code: 'BAD_RESPONSE' })
    await instance.unload()
  })
})

/** A connection is free for the next request one turn of the event loop after a response. */
const free = () => new Promise(resolve => setTimeout(resolve, 5))

describe('connections', () => {
  it('are used again', async () => {
    await using served = await serve((_, res) => res.end('fine'))
    for (const method of ['GET', 'POST', 'DELETE', 'GET']) {
      await (await call(served.instance, '/', { method })).text()
      await free()
    }
    expect(served.connections).toBe(1)
  })

  it('are not used again after HEAD, whose answer may wrongly have a body', async () => {
    await using served = await servePeer(socket => {
      socket.once('data', async () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 45\r\n\r\n')
        await once(socket, 'data')
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged')
      })
    })
    expect((await call(served.instance, '/', { method: 'HEAD' })).status).toBe(200)
    await free()
    void call(served.instance, '/').catch(() => {})
    await expect.poll(() => served.connections).toBe(2)
  })

  it('are as many as there are requests at once', async () => {
    const waiting: (() => void)[] = []
    await using served = await serve((_, res) => {
      waiting.push(() => res.end('together'))
      if (waiting.length === 30) for (const go of waiting) go()
    })
    const answers = Array.from({ length: 30 }, () => call(served.instance, '/'))
    const texts = await Promise.all(answers.map(async answer => (await answer).text()))
    expect(new Set(texts)).toEqual(new Set(['together']))
  })

  /** Serves the first request of each connection, and hangs up at its second. */
  const hangsUp = (seen: string[]) =>
    servePeer(socket => {
      let served = 0
      socket.on('data', head => {
        seen.push(String(head).split(' ')[0]!)
        if (served++ === 0) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine')
        else socket.resetAndDestroy()
      })
    })

  it('that end as a GET comes over them are replaced, once, by a new one', async () => {
    const seen: string[] = []
    await using served = await hangsUp(seen)
    await (await call(served.instance, '/')).text()
    await free()
    expect(await (await call(served.instance, '/')).text()).toBe('fine')
    expect(seen).toEqual(['GET', 'GET', 'GET'])
    expect(served.connections).toBe(2)
  })

  it('that end as a POST comes over them fail it: it may have had its effect', async () => {
    const seen: string[] = []
    await using served = await hangsUp(seen)
    await (await call(served.instance, '/')).text()
    await free()
    await expect(call(served.instance, '/', { method: 'POST', body: 'x' })).rejects.toMatchObject({
      code: 'BAD_RESPONSE',
    })
    expect(seen).toEqual(['GET', 'POST'])
  })

  it('that end twice fail also a GET', async () => {
    let asked = 0
    await using served = await servePeer(socket => {
      socket.once('data', () => {
        asked++
        socket.resetAndDestroy()
      })
    })
    await expect(call(served.instance, '/')).rejects.toMatchObject({ code: 'BAD_RESPONSE' })
    expect(asked).toBe(2)
  })

  it('that were idle when the server closed them do not matter', async () => {
    await using served = await servePeer(socket => {
      socket.on('data', () => {
        socket.end('HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nfine')
      })
    })
    for (let i = 0; i < 20; i++) {
      const answer = await call(served.instance, '/', { method: 'POST', body: 'x' })
      expect(await answer.text()).toBe('fine')
    }
  })
})

describe('the end of an instance', () => {
  it('fails what is under way, and all that comes after, with its own code', async () => {
    const exit = Promise.withResolvers<InstanceExit>()
    await using served = await servePeer(
      socket => {
        socket.once('data', () => {
          socket.destroy()
          // The news of a death comes later than its first sign.
          setTimeout(() => exit.resolve({ reason: 'crash' }), 50)
        })
      },
      { exited: exit.promise },
    )
    const post = { method: 'POST', body: 'x' }
    await expect(call(served.instance, '/', post)).rejects.toMatchObject({
      code: 'INSTANCE_EXITED',
    })
    await expect(call(served.instance, '/')).rejects.toMatchObject({ code: 'INSTANCE_EXITED' })
    expect(await served.instance.exited).toEqual({ reason: 'crash' })
  })

  it('fails what hangs although its connection stays open', async () => {
    const exit = Promise.withResolvers<InstanceExit>()
    await using served = await serve(() => {}, { exited: exit.promise })
    const answer = call(served.instance, '/')
    await expect.poll(() => served.open).toBe(1)
    exit.resolve({ reason: 'killed' })
    await expect(answer).rejects.toMatchObject({ code: 'INSTANCE_EXITED' })
  })

  it('comes once with unload, which cuts the connections first', async () => {
    const ended: number[] = []
    const exit = Promise.withResolvers<InstanceExit>()
    const served = await serve(() => {}, {
      end: async () => {
        ended.push(served.open)
        exit.resolve({ reason: 'killed' })
      },
      exited: exit.promise,
    })
    const answer = call(served.instance, '/')
    await expect.poll(() => served.open).toBe(1)
    let exited = false
    void served.instance.exited.then(() => {
      exited = true
    })
    await Promise.all([served.instance.unload(), served.instance.unload()])
    await expect(answer).rejects.toMatchObject({ code: 'INSTANCE_EXITED' })
    expect(ended).toHaveLength(1)
    expect(exited).toBe(false)
    await served[Symbol.asyncDispose]()
  })
})
