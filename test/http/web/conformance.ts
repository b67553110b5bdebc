/** The web types of one implementation, and how it comes by a request that has arrived. */
export interface Subject {
  readonly Request: typeof Request
  readonly Response: typeof Response
  readonly Headers: typeof Headers
  receive(method: string, headers: [string, string][], body?: string | Uint8Array): Request
}

/** A case returns something comparable, or throws: both are compared between implementations. */
export type Case = (web: Subject) => unknown

const chunks = (...parts: string[]): ReadableStream =>
  ReadableStream.from(parts.map(part => new TextEncoder().encode(part)))

const post = (web: Subject, body: string | Uint8Array = 'body', type = 'text/plain') =>
  web.receive(
    'POST',
    [
      ['Content-Type', type],
      ['X-Name', 'Alice'],
    ],
    body,
  )

const describe = async (message: Request | Response) => ({
  headers: [...message.headers],
  text: await message.text(),
  used: message.bodyUsed,
})

const kind = (value: unknown) => Object.getPrototypeOf(value).constructor.name

const failure = async (run: () => unknown) => {
  try {
    return ['returned', await run()]
  } catch (error) {
    return ['threw', (error as Error).constructor.name]
  }
}

const MULTIPART = [
  '--edge',
  'Content-Disposition: form-data; name="a"',
  '',
  'one',
  '--edge',
  'Content-Disposition: form-data; name="f"; filename="f.txt"',
  'Content-Type: text/plain',
  '',
  'file',
  '--edge--',
  '',
].join('\r\n')

// What an idiom of function code gives; `any` stands for code without types.
// biome-ignore lint/suspicious/noExplicitAny: wrong arguments are part of the list
const wrong = (value: unknown): any => value

export const requestCases: Record<string, Case> = {
  'method, url and headers': web => {
    const request = post(web)
    return [request.method, request.url, request.headers.get('x-NAME'), request.headers.get('none')]
  },
  'defaults of the rare members': web => {
    const request = post(web)
    return [
      request.mode,
      request.credentials,
      request.cache,
      request.redirect,
      request.referrer,
      request.referrerPolicy,
      request.integrity,
      request.keepalive,
      request.destination,
      request.duplex,
    ]
  },
  'headers: combined duplicates': web => {
    const { headers } = web.receive('GET', [
      ['X-A', '1'],
      ['x-a', '2'],
      ['Cookie', 'a=1'],
      ['cookie', 'b=2'],
    ])
    return [headers.get('X-A'), headers.get('cookie'), [...headers]]
  },
  'headers: iteration in order, lower case': web => {
    const { headers } = post(web)
    const seen: unknown[] = []
    headers.forEach((value, name) => void seen.push([name, value]))
    return [[...headers], [...headers.keys()], [...headers.values()], [...headers.entries()], seen]
  },
  'headers: set, append, delete': web => {
    const { headers } = post(web)
    headers.set('x-name', 'Bob')
    headers.append('x-name', 'Carol')
    headers.delete('content-type')
    return [headers.get('X-Name'), headers.has('content-type'), [...headers]]
  },
  'headers: set after the body was touched': async web => {
    const request = post(web)
    const { headers } = request
    void request.body
    headers.set('x-name', 'Bob')
    headers.set('Content-Type', 'text/csv')
    const copies = [request.clone(), new web.Request(request.clone()), request]
    const names = copies.map(copy => copy.headers.get('x-name'))
    return [names, (await request.blob()).type, headers === request.headers]
  },
  'headers: set after clone()': web => {
    const request = post(web)
    request.clone()
    request.headers.set('x-name', 'Bob')
    return [...request.clone().headers]
  },
  'headers: names that are no text': web => {
    const { headers } = post(web)
    const name = wrong({ toString: () => 'X-Name' })
    return [null, undefined, 5, name].map(asked => [headers.get(asked), headers.has(asked)])
  },
  'headers: a symbol as name': web => post(web).headers.get(wrong(Symbol('x-name'))),
  'headers: forEach of no function': web =>
    web.receive('GET', []).headers.forEach(wrong(undefined)),
  'headers: changed while they are iterated': web => {
    const { headers } = web.receive('GET', [
      ['a', '1'],
      ['b', '2'],
      ['c', '3'],
    ])
    const seen: string[] = []
    for (const [name] of headers) {
      seen.push(name)
      if (name === 'a') headers.delete('b')
      if (name === 'c') headers.append('d', '4')
    }
    return seen
  },
  'headers: append and set of wrong values': web => {
    const { headers } = post(web)
    return Promise.all([
      failure(() => headers.append('a b', 'c')),
      failure(() => wrong(headers).append('a')),
      failure(() => headers.set('a', 'b\0')),
      failure(() => headers.set('a', '\u0100')),
    ])
  },
  'headers: get of a wrong name': web => post(web).headers.get('a b'),
  'headers: has of a wrong name': web => post(web).headers.has(''),
  'headers: names that differ by one bit': web => {
    const { headers } = web.receive('GET', [['a^', '1']])
    return [headers.get('a^'), headers.get('a~'), headers.get('A^')]
  },
  'headers: into new Headers': web => [...new web.Headers(post(web).headers)],
  'headers: same object each time': web => {
    const request = post(web)
    const { headers } = request
    return headers === request.headers
  },
  'text()': web => post(web, 'grüße').text(),
  'text() strips the byte order mark': web => post(web, '\uFEFFa').text(),
  'text() of bad UTF-8': web => post(web, new Uint8Array([0x61, 0xff, 0x62])).text(),
  'text() without a body': web => web.receive('GET', []).text(),
  'text() twice without a body': async web => {
    const request = web.receive('POST', [])
    return [await request.text(), request.bodyUsed, await request.text(), request.body]
  },
  'json()': web => post(web, '{"a":[1]}').json(),
  'json() of invalid JSON': web => post(web, '{').json(),
  'json() without a body': web => web.receive('POST', []).json(),
  'bytes()': async web => {
    const bytes = await post(web).bytes()
    return [kind(bytes), [...bytes], bytes.byteLength === bytes.buffer.byteLength]
  },
  'arrayBuffer()': async web => {
    const buffer = await post(web).arrayBuffer()
    return [kind(buffer), buffer.byteLength]
  },
  'blob()': async web => {
    const blob = await post(web).blob()
    return [blob.type, blob.size, await blob.text()]
  },
  'formData() of multipart': async web => {
    const form = await post(web, MULTIPART, 'multipart/form-data; boundary=edge').formData()
    const file = form.get('f') as File
    return [form.get('a'), file.name, file.type, await file.text()]
  },
  'formData() of urlencoded': async web => [
    ...(await post(web, 'a=1&a=2&b=%20', 'application/x-www-form-urlencoded').formData()),
  ],
  'formData() of something else': web => post(web).formData(),
  ...Object.fromEntries(
    [
      ['', 'multipart/form-data; boundary=edge'],
      ['--edge\r\nbroken', 'multipart/form-data; boundary=edge'],
      [MULTIPART.slice(0, -12), 'multipart/form-data; boundary=edge'],
      [MULTIPART, 'multipart/form-data; boundary=other'],
      [MULTIPART, 'multipart/form-data'],
    ].map(([body, type], at) => [
      `formData() of broken multipart, ${at}`,
      (web: Subject) => post(web, body, type).formData(),
    ]),
  ),
  'body as a stream': async web => {
    const { body } = post(web)
    const seen: number[] = []
    for await (const chunk of body!) seen.push(...chunk)
    return seen
  },
  'body is the same stream each time': web => {
    const request = post(web)
    const { body } = request
    return [body === request.body, request.bodyUsed, request.body?.locked]
  },
  'body of GET': web => web.receive('GET', []).body,
  'text() twice': async web => {
    const request = post(web)
    return [await request.text(), request.bodyUsed, await failure(() => request.text())]
  },
  'body after text()': async web => {
    const request = post(web)
    await request.text()
    const { body } = request
    return [body?.locked, request.bodyUsed, body === request.body]
  },
  'text() while it is read already': async web => {
    const request = post(web)
    const reads = await Promise.allSettled([request.text(), request.json(), request.bytes()])
    return [reads.map(({ status }) => status), request.bodyUsed]
  },
  'text() once the lock was given back': async web => {
    const request = post(web)
    const reader = request.body!.getReader()
    const locked = await failure(() => request.text())
    reader.releaseLock()
    return [locked, request.bodyUsed, await request.text()]
  },
  'body cancelled': async web => {
    const request = post(web)
    await request.body!.cancel()
    return [request.bodyUsed, await failure(() => request.text())]
  },
  'bytes() and arrayBuffer() without a body are nobody else’s': async web => {
    const [one, two] = [web.receive('GET', []), web.receive('GET', [])]
    return [
      (await one.bytes()) === (await two.bytes()),
      (await one.arrayBuffer()) === (await two.arrayBuffer()),
    ]
  },
  'json() after text()': async web => {
    const request = post(web)
    await request.text()
    return request.json()
  },
  'formData() after text()': async web => {
    const request = post(web)
    await request.text()
    return [await failure(() => request.formData()), request.bodyUsed]
  },
  'clone() after text()': async web => {
    const request = post(web)
    await request.text()
    return request.clone()
  },
  'new Request(request) after text()': async web => {
    const request = post(web)
    await request.text()
    return new web.Request(request)
  },
  'text() while the stream is locked': async web => {
    const request = post(web)
    request.body!.getReader()
    return [request.bodyUsed, await failure(() => request.text())]
  },
  'clone(): both are read': async web => {
    const request = post(web)
    const copy = request.clone()
    return [await describe(copy), request.bodyUsed, await describe(request), copy.url, copy.method]
  },
  'clone() has the changed headers': web => {
    const request = post(web)
    request.headers.set('x-name', 'Bob')
    return request.clone().headers.get('x-name')
  },
  'new Request(request)': async web => {
    const request = post(web)
    const copy = new web.Request(request)
    return [request.bodyUsed, await describe(copy), copy.method, copy.url]
  },
  'new Request(request, init): headers': async web => {
    const copy = new web.Request(post(web), { headers: { 'x-new': '1' } })
    return [copy.method, await describe(copy)]
  },
  'new Request(request, init): method and body': async web => {
    const request = post(web)
    const copy = new web.Request(request, { method: 'PUT', body: 'other' })
    return [copy.method, await describe(copy), request.bodyUsed, await request.text()]
  },
  'new Request(request, init): GET with a body': web =>
    new web.Request(post(web), { method: 'GET' }),
  'new Request(url, request)': async web => {
    const copy = new web.Request('http://other.test/x', post(web))
    return [copy.url, copy.method, await describe(copy)]
  },
  'new Request(url, request) of GET': web => {
    const copy = new web.Request('http://other.test/x', web.receive('GET', [['x-a', '1']]))
    return [copy.url, copy.method, [...copy.headers]]
  },
  'new Request(request, init): no body, no signal': async web => {
    const copy = new web.Request(post(web), { body: null, signal: null })
    return [await copy.text(), copy.signal.aborted]
  },
  'new Request(request, init): a signal that was aborted': web => {
    const { signal } = new web.Request(post(web), { signal: AbortSignal.abort('why') })
    return [signal.aborted, signal.reason]
  },
  'new Request(request, init): members of every kind': web => {
    const { cache, credentials, integrity, keepalive, mode, redirect, referrer } = new web.Request(
      post(web),
      {
        ...{ cache: 'no-store', credentials: 'omit', integrity: 'sha256-x', keepalive: true },
        ...{ mode: 'same-origin', redirect: 'error', referrer: '' },
      },
    )
    return [cache, credentials, integrity, keepalive, mode, redirect, referrer]
  },
  'new Request(request, init): wrong members': web =>
    Promise.all(
      [5, { mode: 'navigate' }, { method: 'TRACE' }, { method: 'a b' }, { signal: {} }].map(init =>
        failure(() => new web.Request(post(web), wrong(init))),
      ),
    ),
  'new Request(url, init): members of a class': async web => {
    class Init {
      readonly #method = 'POST'
      readonly duplex = 'half'
      get method() {
        return this.#method
      }
      get body() {
        return new web.Response('abc').body
      }
    }
    const request = new web.Request('http://fezz.test/', new Init())
    return [request.method, await request.text()]
  },
  'new Request follows the signal of the first': web => {
    const request = post(web)
    return [new web.Request(request).signal.aborted, request.signal.aborted, kind(request.signal)]
  },
  'instanceof Request, here and there': web => {
    const request = post(web)
    const copy = new web.Request(request)
    return [
      request instanceof web.Request,
      request instanceof globalThis.Request,
      copy instanceof web.Request,
      copy instanceof globalThis.Request,
      request.headers instanceof web.Headers,
      Object.prototype.toString.call(request),
      request.constructor === web.Request,
      request.constructor.name,
    ]
  },
  'class extends Request': async web => {
    class Mine extends web.Request {
      get shout() {
        return this.method.toLowerCase()
      }
    }
    const mine = new Mine(post(web))
    return [mine.shout, mine instanceof Mine, mine instanceof web.Request, await mine.text()]
  },
  'Request without new': web => wrong(web.Request)('http://fezz.test/'),
  'new Request of nothing': web => new (wrong(web.Request))(),
  'new Request of a bad URL': web => new web.Request('/relative'),
}

export const responseCases: Record<string, Case> = {
  'no arguments': web => describe(new web.Response()),
  'status, ok, statusText, type, url, redirected': web => {
    const response = new web.Response('x', { status: 404, statusText: 'Gone Away' })
    const { status, ok, statusText, type, url, redirected } = response
    return [status, ok, statusText, type, url, redirected]
  },
  'text body': web => describe(new web.Response('grüße')),
  'text body with lone surrogates': web => describe(new web.Response('a\uD800b')),
  'text body with a byte order mark': web => describe(new web.Response('\uFEFFa')),
  'empty text body': async web => {
    const response = new web.Response('')
    return [response.body === null, await describe(response)]
  },
  'null body': async web => {
    const response = new web.Response(null)
    return [response.body, await describe(response), await response.text(), response.bodyUsed]
  },
  'number as body': web => describe(new web.Response(wrong(5))),
  'ArrayBuffer body': web => describe(new web.Response(new TextEncoder().encode('ab').buffer)),
  'typed array body with an offset': web =>
    describe(new web.Response(new TextEncoder().encode('abcdef').subarray(2, 4))),
  'DataView body with an offset': web =>
    describe(new web.Response(new DataView(new TextEncoder().encode('abcdef').buffer, 1, 2))),
  'Uint16Array body': async web => [...(await new web.Response(new Uint16Array([1, 515])).bytes())],
  'SharedArrayBuffer body': web => describe(new web.Response(wrong(new SharedArrayBuffer(2)))),
  'bytes changed after construction': async web => {
    const bytes = new TextEncoder().encode('abc')
    const response = new web.Response(bytes)
    bytes[0] = 0x7a
    return response.text()
  },
  'URLSearchParams body': web => describe(new web.Response(new URLSearchParams({ a: '1 2' }))),
  'Blob body': web => describe(new web.Response(new Blob(['x'], { type: 'text/csv' }))),
  'FormData body': async web => {
    const form = new FormData()
    form.append('a', '1')
    const response = new web.Response(form)
    const type = response.headers.get('content-type')!.split('boundary=')[0]
    return [type, [...(await response.formData())]]
  },
  'stream body': async web => {
    const stream = chunks('a', 'b')
    const response = new web.Response(stream)
    return [response.body === stream, response.bodyUsed, await describe(response)]
  },
  'async iterable body': web =>
    describe(
      new web.Response(
        (async function* () {
          yield new TextEncoder().encode('a')
          yield new TextEncoder().encode('b')
        })(),
      ),
    ),
  'stream of strings': web => new web.Response(wrong(ReadableStream.from(['a']))).text(),
  'stream that fails': web =>
    new web.Response(
      new ReadableStream({
        pull() {
          throw new RangeError('broken')
        },
      }),
    ).text(),
  'stream that somebody holds: members do not take it away': async web => {
    const stream = chunks('a', 'b')
    const response = new web.Response(stream)
    const reader = response.body!.getReader()
    const { url, type, redirected } = response
    const reads = [await failure(() => response.text()), await failure(() => response.clone())]
    const before = [response.bodyUsed, response.body === stream]
    reader.releaseLock()
    return [url, type, redirected, reads, before, response.bodyUsed, await response.text()]
  },
  'stream that was read in part': async web => {
    const stream = chunks('a', 'b')
    const response = new web.Response(stream)
    const reader = response.body!.getReader()
    await reader.read()
    const read = await failure(() => response.blob())
    return [read, response.url, response.bodyUsed, response.body === stream]
  },
  'locked stream as body': web => {
    const stream = chunks('a')
    stream.getReader()
    return new web.Response(stream)
  },
  'read stream as body': async web => {
    const stream = chunks('a')
    for await (const _ of stream);
    return new web.Response(stream)
  },
  'body read through its stream': async web => {
    const response = new web.Response('abc')
    const before = response.bodyUsed
    let size = 0
    for await (const chunk of response.body!) size += chunk.byteLength
    return [before, size, response.bodyUsed, await failure(() => response.text())]
  },
  'text() twice': async web => {
    const response = new web.Response('a')
    return [await response.text(), response.bodyUsed, await failure(() => response.text())]
  },
  'clone() after text()': async web => {
    const response = new web.Response('a')
    await response.text()
    return response.clone()
  },
  'clone(): both are read': async web => {
    const response = new web.Response('abc', { status: 201, headers: { 'x-a': '1' } })
    const copy = response.clone()
    return [copy.status, await describe(copy), response.bodyUsed, await describe(response)]
  },
  'clone() of a stream: both are read': async web => {
    const response = new web.Response(chunks('a', 'b'), { statusText: 'Fine' })
    const copy = response.clone()
    return [copy.statusText, await describe(copy), await describe(response)]
  },
  'clone() of bytes does not share them': async web => {
    const response = new web.Response(new Uint8Array([1, 2]))
    const copy = response.clone()
    const bytes = await copy.bytes()
    bytes[0] = 9
    return [...(await response.bytes())]
  },
  'clone() has headers of its own': web => {
    const response = new web.Response('a')
    response.headers.set('x-a', '1')
    const copy = response.clone()
    copy.headers.set('x-a', '2')
    return [response.headers.get('x-a'), copy.headers.get('x-a')]
  },
  'clone() of a clone, read in any order': async web => {
    const response = new web.Response(chunks('a', 'b'))
    const copy = response.clone()
    const second = copy.clone()
    return [await second.text(), await response.text(), await copy.text()]
  },
  'tee() of the body': async web => {
    const response = new web.Response('abc')
    const [one, two] = response.body!.tee()
    const texts = [await new web.Response(two).text(), await new web.Response(one).text()]
    return [texts, response.bodyUsed, response.body!.locked]
  },
  'bytes of a detached buffer': async web => {
    const { buffer } = new Uint8Array(2)
    const view = new Uint8Array(buffer)
    structuredClone(buffer, { transfer: [buffer] })
    return [await new web.Response(buffer).text(), await new web.Response(view).text()]
  },
  'bytes of a buffer that can grow': web =>
    new web.Response(wrong(new ArrayBuffer(2, wrong({ maxByteLength: 4 })))).text(),
  'headers set after the body was touched: type of the blob': async web => {
    const responses = [
      new web.Response('a'),
      new web.Response(new Blob(['a'], { type: 'text/csv' })),
      web.Response.json('a'),
    ]
    return Promise.all(
      responses.map(async response => {
        void response.body
        response.headers.set('content-type', 'text/html')
        const copy = response.clone()
        return [[...copy.headers], (await copy.blob()).type, (await response.blob()).type]
      }),
    )
  },
  'headers set before the body was touched: type of the blob': async web => {
    const response = new web.Response('a')
    const { headers } = response
    void response.body
    headers.set('content-type', 'text/html')
    return [(await response.blob()).type, response.headers === headers]
  },
  'content type taken away': async web => {
    const response = new web.Response('a')
    response.headers.delete('content-type')
    void response.body
    return [[...response.headers], (await response.blob()).type]
  },
  'formData() by a type that was set later': async web => {
    const response = new web.Response(new Blob(['a=1']))
    response.headers.set('content-type', 'application/x-www-form-urlencoded')
    return [...(await response.formData())]
  },
  'json()': web => new web.Response('{"a":1}').json(),
  'json() of invalid JSON': web => new web.Response('nope').json(),
  'json() of nothing': web => new web.Response().json(),
  'blob() has the type': async web => {
    const blob = await new web.Response('a', { headers: { 'content-type': 'text/csv' } }).blob()
    return [blob.type, await blob.text()]
  },
  'bytes() and arrayBuffer()': async web => {
    const bytes = await new web.Response(Buffer.from('abc')).bytes()
    const buffer = await new web.Response(Buffer.from('abc')).arrayBuffer()
    return [kind(bytes), bytes.buffer.byteLength, kind(buffer), buffer.byteLength]
  },
  'headers from a record': web =>
    describe(new web.Response('a', { headers: { 'X-B': '2', 'x-a': ' 1\t' } })),
  'headers from pairs': web =>
    describe(
      new web.Response('a', {
        headers: [
          ['X-A', '1'],
          ['x-a', '2'],
          ['Set-Cookie', 'a=1'],
          ['set-cookie', 'b=2'],
        ],
      }),
    ),
  'headers from Headers': web =>
    describe(new web.Response('a', { headers: new web.Headers({ 'X-A': '1' }) })),
  'headers from a request': web => describe(new web.Response('a', { headers: post(web).headers })),
  'headers from a response': web =>
    describe(
      new web.Response('a', { headers: new web.Response('b', { headers: { q: '1' } }).headers }),
    ),
  'headers from a Map': web =>
    describe(new web.Response('a', { headers: wrong(new Map([['x-a', '1']])) })),
  'headers from a class instance': web => {
    class Fields {
      'x-a' = '1'
    }
    return describe(new web.Response('a', { headers: wrong(new Fields()) }))
  },
  'header value that is a number': web =>
    describe(new web.Response('a', { headers: wrong({ 'x-a': 5, 'x-b': undefined }) })),
  'header named content-type as a value': web =>
    describe(new web.Response('a', { headers: { 'x-a': 'content-type' } })),
  'content type that is given stays': web =>
    describe(new web.Response('a', { headers: { 'Content-Type': 'text/html' } })),
  'bad header name': web => new web.Response('a', { headers: { 'a b': '1' } }),
  'empty header name': web => new web.Response('a', { headers: { '': '1' } }),
  'line break in a header value': web => new web.Response('a', { headers: { a: '1\r\nb: 2' } }),
  'header value beyond latin1': web => new web.Response('a', { headers: { a: '\u0100' } }),
  'latin1 header value': web => describe(new web.Response('a', { headers: { a: 'é' } })),
  'headers null': web => new web.Response('a', { headers: wrong(null) }),
  'headers a string': web => new web.Response('a', { headers: wrong('a') }),
  'headers pair of one': web => new web.Response('a', { headers: wrong([['a']]) }),
  'headers.set of a bad value': web => new web.Response('a').headers.set('a', 'b\nc'),
  'getSetCookie()': web => {
    const { headers } = new web.Response('a', { headers: [['set-cookie', 'a=1']] })
    headers.append('Set-Cookie', 'b=2')
    return [headers.getSetCookie(), headers.get('set-cookie'), [...headers]]
  },
  'headers: third argument of forEach': web => {
    const { headers } = new web.Response('a')
    const same: boolean[] = []
    headers.forEach((_value, _name, all) => void same.push(all === headers))
    return same
  },
  ...Object.fromEntries(
    [99, 100, 101, 199, 200, 204, 205, 304, 599, 600, 200.5, Number.NaN, '201', null].flatMap(
      status => [
        [`status ${status} with a body`, (web: Subject) => statusOf(web, 'a', status)],
        [`status ${status} without a body`, (web: Subject) => statusOf(web, null, status)],
      ],
    ),
  ),
  'status text with a line break': web => new web.Response('a', { statusText: 'a\nb' }),
  'status text with spaces around': web => new web.Response('a', { statusText: ' a ' }).statusText,
  'status text that is a number': web => new web.Response('a', { statusText: wrong(5) }).statusText,
  'init null': web => new web.Response('a', wrong(null)).status,
  'init a number': web => new web.Response('a', wrong(5)),
  'init a function': web =>
    new web.Response(
      'a',
      wrong(() => 1),
    ).status,
  'new Response(response.body, response)': async web => {
    const first = new web.Response('abc', {
      status: 201,
      statusText: 'Made',
      headers: [
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
      ],
    })
    const second = new web.Response(first.body, first)
    const text = await describe(second)
    return [second.status, second.statusText, text, first.bodyUsed]
  },
  'into the platform and back': async web => {
    const first = new web.Response('abc', { status: 201, headers: { 'x-a': '1' } })
    const platform = new globalThis.Response(first.body, first)
    const again = new web.Response(platform.body, platform)
    return [platform.status, again.status, await describe(again)]
  },
  'Response.json': async web => {
    const response = web.Response.json({ a: 1 }, { status: 201, headers: { 'x-a': '1' } })
    return [response.status, await describe(response), response instanceof web.Response]
  },
  'Response.json with a content type': web =>
    describe(web.Response.json(1, { headers: { 'content-type': 'application/problem+json' } })),
  'Response.json of undefined': web => web.Response.json(undefined),
  'Response.json of nothing': web => wrong(web.Response).json(),
  'Response.json of a Date': web => web.Response.json(new Date(0)).text(),
  'Response.json of a BigInt': web => web.Response.json(1n),
  'Response.json of a function': web => web.Response.json(() => 1),
  'Response.json of a cycle': web => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    return web.Response.json(cycle)
  },
  'Response.json with status 204': web => web.Response.json(1, { status: 204 }),
  'Response.redirect': web => {
    const response = web.Response.redirect('http://fezz.test/there', 303)
    return [response.status, response.headers.get('location'), response instanceof web.Response]
  },
  'Response.redirect: headers are immutable': web =>
    web.Response.redirect('http://fezz.test/').headers.set('a', '1'),
  'Response.redirect with status 200': web => web.Response.redirect('http://a.test/', wrong(200)),
  'Response.redirect to nowhere': web => web.Response.redirect('nowhere'),
  'Response.error': web => {
    const response = web.Response.error()
    return [response.type, response.status, response.ok]
  },
  'instanceof Response, here and there': web => {
    const response = new web.Response('a')
    return [
      response instanceof web.Response,
      response instanceof globalThis.Response,
      new globalThis.Response('a') instanceof web.Response,
      response.headers instanceof web.Headers,
      wrong({}) instanceof web.Response,
      wrong(null) instanceof web.Response,
      Object.prototype.toString.call(response),
      response.constructor === web.Response,
      web.Response.name,
    ]
  },
  'class extends Response': async web => {
    class Mine extends web.Response {
      get shout() {
        return `${this.status}!`
      }
    }
    const mine = new Mine('a', { status: 201 })
    return [
      mine.shout,
      mine instanceof Mine,
      mine instanceof web.Response,
      new web.Response('a') instanceof Mine,
      await mine.text(),
    ]
  },
  'Response without new': web => wrong(web.Response)('a'),
  'a member on a foreign object': web => wrong(web.Response.prototype).status,
}

function statusOf(web: Subject, body: string | null, status: unknown): unknown {
  const response = new web.Response(wrong(body), { status: wrong(status) })
  return [response.status, response.ok]
}
