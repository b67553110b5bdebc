import { answers, type Cases, outcome, streamOf, TEXT, tells, untyped } from './case.ts'

const made = (body: unknown, init?: ResponseInit) =>
  answers(() => new Response(untyped(body), init))
const fails = (run: () => unknown) => tells(() => outcome(run))

/** Responses on their way out, and what a module can do with them before. */
export const responseCases: Cases = {
  'body: none': answers(() => new Response()),
  'body: null': made(null),
  'body: undefined': made(undefined),
  'body: empty text': made(''),
  'body: text': made('gr\u00fc\u00dfe \u{1f600}'),
  'body: text with a lone surrogate': made('a\ud800b'),
  'body: text with a byte order mark': made('\ufeffa'),
  'body: number': made(5),
  'body: plain object': made({}),
  'body: ArrayBuffer': answers(() => new Response(new TextEncoder().encode('ab').buffer)),
  'body: part of a typed array': answers(
    () => new Response(new TextEncoder().encode('abcdef').subarray(2, 4)),
  ),
  'body: Uint16Array': answers(() => new Response(new Uint16Array([0x6261, 0x6463]))),
  'body: DataView': answers(
    () => new Response(new DataView(new TextEncoder().encode('abcdef').buffer, 1, 2)),
  ),
  'body: Blob': answers(() => new Response(new Blob(['a', 'b'], { type: 'text/csv' }))),
  'body: Blob without a type': answers(() => new Response(new Blob(['a']))),
  'body: URLSearchParams': answers(() => new Response(new URLSearchParams({ a: '1 2', b: '&' }))),
  'body: stream': answers(() => new Response(streamOf('a', 'b'))),
  'body: async generator': answers(
    () =>
      new Response(
        untyped(
          (async function* () {
            yield new TextEncoder().encode('a')
            yield new TextEncoder().encode('b')
          })(),
        ),
      ),
  ),
  'body: bytes changed after construction': answers(() => {
    const bytes = new TextEncoder().encode('abc')
    const response = new Response(bytes)
    bytes[0] = 0x7a
    return response
  }),
  'content type that is given stays': made('<p>', { headers: { 'Content-Type': 'text/html' } }),
  'content type of bytes': answers(() => new Response(new Uint8Array([97]))),
  'status 201 with a text of its own': made('a', { status: 201, statusText: 'Made It' }),
  'status 299 without a name': made('a', { status: 299 }),
  'status 418': made('a', { status: 418 }),
  'status 599': made('a', { status: 599, statusText: 'Odd' }),
  'status 204': made(null, { status: 204 }),
  'status 204, made of empty text': made('', { status: 204 }),
  'status 205': made(null, { status: 205 }),
  'status 304': made(null, { status: 304, headers: { etag: '"1"' } }),
  'status 204 with a body': fails(() => new Response('a', { status: 204 }).status),
  'status 205 with a body': fails(() => new Response('a', { status: 205 }).status),
  'status 304 with a body': fails(() => new Response('a', { status: 304 }).status),
  'status 204 with an empty body': fails(() => new Response('', { status: 204 }).status),
  'status 199': fails(() => new Response('a', { status: 199 }).status),
  'status 600': fails(() => new Response('a', { status: 600 }).status),
  'status 0': fails(() => new Response('a', { status: 0 }).status),
  'status 101': fails(() => new Response(null, { status: 101 }).status),
  'status NaN': fails(() => new Response('a', { status: Number.NaN }).status),
  'status as text': fails(() => new Response('a', { status: untyped('201') }).status),
  'status with a fraction': fails(() => new Response('a', { status: 200.5 }).status),
  'status text with a line break': fails(
    () => new Response('a', { statusText: 'a\nb' }).statusText,
  ),
  'status, ok, statusText, type, redirected': tells(() => {
    const { status, ok, statusText, type, redirected } = new Response('a', { status: 404 })
    return [status, ok, statusText, type, redirected]
  }),
  'url of a made response': tells(() => new Response('a').url),
  'used twice': tells(async () => {
    const response = new Response('a')
    return [
      await response.text(),
      response.bodyUsed,
      await outcome(() => response.text()),
      await outcome(() => response.clone()),
    ]
  }),
  'no body, used twice': tells(async () => {
    const response = new Response(null)
    return [await response.text(), response.bodyUsed, await response.text(), response.body]
  }),
  'empty text, used twice': tells(async () => {
    const response = new Response('')
    return [await response.text(), response.bodyUsed, await outcome(() => response.text())]
  }),
  'json of invalid text': fails(() => new Response('{a').json()),
  'json of nothing': fails(() => new Response().json()),
  'clone: both are read': tells(async () => {
    const response = new Response('abc', { status: 201, headers: { 'x-a': '1' } })
    const copy = response.clone()
    copy.headers.set('x-a', '2')
    return [copy.status, await copy.text(), await response.text(), response.headers.get('x-a')]
  }),
  'clone: one is read, the other answers': answers(async () => {
    const response = new Response(streamOf('a', 'b'), { headers: { 'x-a': '1' } })
    await response.clone().text()
    return response
  }),
  'new Response(response.body, response)': answers(async () => {
    const first = new Response('abc', {
      status: 201,
      statusText: 'Made It',
      headers: [
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
        ['x-a', '1'],
      ],
    })
    const second = new Response(first.body, first)
    second.headers.set('x-a', '2')
    return second
  }),
  'new Response(response.body, init)': answers(() => {
    const first = new Response('abc', { status: 404, headers: { 'x-a': '1' } })
    return new Response(first.body, { status: 200, headers: first.headers })
  }),
  'new Response of a used body': tells(async () => {
    const first = new Response('abc')
    await first.text()
    return outcome(() => new Response(first.body).status)
  }),
  'Response.json': answers(() =>
    Response.json({ a: [1, null] }, { status: 201, headers: { 'x-a': '1' } }),
  ),
  'Response.json with a content type': answers(() =>
    Response.json(1, { headers: { 'content-type': 'application/problem+json' } }),
  ),
  'Response.json of text and null': tells(async () => [
    await Response.json('a').text(),
    await Response.json(null).text(),
  ]),
  'Response.json of undefined': fails(() => Response.json(undefined).text()),
  'Response.json of a cycle': fails(() => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    return Response.json(cycle).text()
  }),
  'Response.json of a BigInt': fails(() => Response.json(1n).text()),
  'Response.json with status 204': fails(() => Response.json(1, { status: 204 }).status),
  'Response.redirect': answers(() => Response.redirect('http://other.test/a b?c')),
  'Response.redirect with status 301': answers(() => Response.redirect('http://other.test/', 301)),
  'Response.redirect with a URL object': answers(() =>
    Response.redirect(new URL('http://other.test/x'), 308),
  ),
  'Response.redirect with status 200': fails(
    () => Response.redirect('http://other.test/', untyped(200)).status,
  ),
  'Response.redirect to nowhere': fails(() => Response.redirect('nowhere').status),
  'Response.redirect: headers changed': fails(() =>
    Response.redirect('http://other.test/').headers.set('x-a', '1'),
  ),
  'Response.error': tells(() => {
    const { type, status, ok } = Response.error()
    return [type, status, ok]
  }),
  'instanceof and names': tells(() => {
    const response = new Response('a')
    return [
      response instanceof Response,
      Response.json(1) instanceof Response,
      Response.redirect('http://other.test/') instanceof Response,
      response.headers instanceof Headers,
      Object.prototype.toString.call(response),
      response.constructor === Response,
      response.constructor.name,
      Response.name,
      {} instanceof Response,
    ]
  }),
  'class extends Response': answers(() => {
    class Mine extends Response {
      constructor(text: string) {
        super(text.toUpperCase(), { headers: { 'x-mine': '1' } })
      }
    }
    return new Mine('abc')
  }),
  'Response without new': fails(() => untyped(Response)('a')),
  'Set-Cookie, several': answers(() => {
    const response = new Response('a')
    response.headers.append('Set-Cookie', 'a=1; Path=/')
    response.headers.append('Set-Cookie', 'b=2, c; Secure')
    return response
  }),
  'headers changed after construction': answers(() => {
    const response = new Response('a', { headers: { 'X-A': '1', 'X-B': '2' } })
    response.headers.set('x-a', '3')
    response.headers.append('x-a', '4')
    response.headers.delete('x-b')
    return response
  }),
  'headers repeated in the init': made('a', {
    headers: [
      ['X-A', '1'],
      ['x-a', '2'],
    ],
  }),
  'headers of the request sent back': answers(
    ({ headers }) => new Response('a', { headers: { 'x-name': headers.get('x-name')! } }),
    TEXT,
  ),
  'Latin-1 header value': made('a', { headers: { 'x-a': 'caf\u00e9' } }),
  'Content-Length that is wrong': made('abc', { headers: { 'content-length': '7' } }),
  'Content-Encoding, encoded by the module': answers(async () => {
    const text = new Response('some text '.repeat(20)).body!
    return new Response(text.pipeThrough(new CompressionStream('gzip')), {
      headers: { 'content-encoding': 'gzip' },
      ...{ encodeBody: 'manual' },
    })
  }),
  'Content-Encoding over plain text': made('some text', {
    headers: { 'content-encoding': 'gzip' },
  }),
}
