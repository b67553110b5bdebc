import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EngineListener } from '../../src/http/engine/engine-listener.ts'
import type { Listener, ListenerOptions } from '../../src/http/listener.ts'
import { NodeListener } from '../../src/http/node/node-listener.ts'
import { FastResponse } from '../../src/http/web/response.ts'
import { LISTENER_DEFAULTS } from './listener-defaults.ts'
import { RawClient, statusesIn } from './raw-client.ts'

/** What the listener must do: answer with this one status, or close without an answer. */
type Outcome = number | 'closed'

interface Attack {
  readonly name: string
  readonly bytes: string | Uint8Array
  readonly outcome: Outcome
  /** Where node's parser gives another answer. */
  readonly onNode?: Outcome
  /** Requests that are good and answered 200 before the bad one; default 0. */
  readonly served?: number
}

const HOST = 'Host: example.com\r\n'
const get = (target: string) => `GET ${target} HTTP/1.1\r\n${HOST}\r\n`
const withHost = (hosts: string) => `GET / HTTP/1.1\r\n${hosts}\r\n`
const withHeader = (header: string) => `GET / HTTP/1.1\r\n${HOST}${header}\r\n\r\n`
const post = (headers: string, body: string) => `POST / HTTP/1.1\r\n${HOST}${headers}\r\n${body}`
const chunked = (body: string) => post('Transfer-Encoding: chunked\r\n', body)

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: example.com\r\n\r\n'

const framing: Attack[] = [
  {
    name: 'Content-Length and Transfer-Encoding',
    bytes: post('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${SMUGGLED}`),
    outcome: 400,
  },
  {
    name: 'Transfer-Encoding and Content-Length',
    bytes: post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', `0\r\n\r\n${SMUGGLED}`),
    outcome: 400,
  },
  {
    name: 'two different Content-Length',
    bytes: post('Content-Length: 0\r\nContent-Length: 44\r\n', SMUGGLED),
    outcome: 400,
  },
  {
    name: 'the same Content-Length twice',
    bytes: post('Content-Length: 4\r\nContent-Length: 4\r\n', 'body'),
    outcome: 400,
  },
  {
    name: 'a list of Content-Length',
    bytes: post('Content-Length: 4, 4\r\n', 'body'),
    outcome: 400,
  },
  { name: 'a signed Content-Length', bytes: post('Content-Length: +4\r\n', 'body'), outcome: 400 },
  {
    name: 'a negative Content-Length',
    bytes: post('Content-Length: -1\r\n', 'body'),
    outcome: 400,
  },
  { name: 'a hex Content-Length', bytes: post('Content-Length: 0x4\r\n', 'body'), outcome: 400 },
  { name: 'an empty Content-Length', bytes: post('Content-Length:\r\n', 'body'), outcome: 400 },
  {
    name: 'a Content-Length past 64 bits',
    bytes: post('Content-Length: 18446744073709551620\r\n', 'body'),
    outcome: 400,
  },
  {
    name: 'a Content-Length past the limit',
    bytes: post('Content-Length: 9007199254740993\r\n', 'body'),
    outcome: 413,
  },
  {
    name: 'an unknown transfer coding',
    bytes: post('Transfer-Encoding: xchunked\r\n', `0\r\n\r\n${SMUGGLED}`),
    outcome: 501,
  },
  {
    name: 'chunked not last',
    bytes: post('Transfer-Encoding: chunked, identity\r\n', `0\r\n\r\n${SMUGGLED}`),
    outcome: 400,
  },
  {
    name: 'a coding before chunked',
    bytes: post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'),
    outcome: 501,
  },
  {
    name: 'Transfer-Encoding twice',
    bytes: post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    outcome: 400,
  },
  {
    name: 'Transfer-Encoding twice, the second unknown',
    bytes: post('Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n', '0\r\n\r\n'),
    outcome: 400,
  },
  {
    name: 'Transfer-Encoding behind a tab in its name',
    bytes: post('Transfer-Encoding\t: chunked\r\n', `0\r\n\r\n${SMUGGLED}`),
    outcome: 400,
  },
  {
    name: 'Transfer-Encoding with a vertical tab',
    bytes: post('Transfer-Encoding: \x0bchunked\r\n', `0\r\n\r\n${SMUGGLED}`),
    outcome: 400,
  },
  {
    name: 'a quoted transfer coding',
    bytes: post('Transfer-Encoding: "chunked"\r\n', `0\r\n\r\n${SMUGGLED}`),
    outcome: 501,
  },
  {
    name: 'Transfer-Encoding in HTTP/1.0',
    bytes: `POST / HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    outcome: 400,
  },
  { name: 'a chunk size that is no number', bytes: chunked('zz\r\nbody\r\n'), outcome: 400 },
  { name: 'a chunk size with 0x', bytes: chunked('0x4\r\nbody\r\n0\r\n\r\n'), outcome: 400 },
  { name: 'a negative chunk size', bytes: chunked('-4\r\nbody\r\n0\r\n\r\n'), outcome: 400 },
  {
    name: 'a chunk size past 64 bits',
    bytes: chunked('10000000000000004\r\nbody\r\n0\r\n\r\n'),
    outcome: 400,
  },
  { name: 'a chunk longer than its size', bytes: chunked('3\r\nbody\r\n0\r\n\r\n'), outcome: 400 },
  { name: 'a bare LF after a chunk size', bytes: chunked('4\nbody\r\n0\r\n\r\n'), outcome: 400 },
  { name: 'a bare LF after a chunk', bytes: chunked('4\r\nbody\n0\r\n\r\n'), outcome: 400 },
  { name: 'a space after a chunk size', bytes: chunked('4 \r\nbody\r\n0\r\n\r\n'), outcome: 400 },
  {
    name: 'a LF in a chunk extension',
    bytes: chunked('4;a\nb\r\nbody\r\n0\r\n\r\n'),
    outcome: 400,
  },
  {
    name: 'endless chunk extensions',
    bytes: chunked(`1;${'x'.repeat(20_000)}\r\na\r\n0\r\n\r\n`),
    outcome: 413,
  },
  {
    name: 'endless trailers',
    bytes: chunked(`0\r\n${`A: ${'x'.repeat(1000)}\r\n`.repeat(20)}\r\n`),
    outcome: 431,
  },
  { name: 'half a body', bytes: post('Content-Length: 10\r\n', 'half'), outcome: 408 },
  { name: 'half a chunk', bytes: chunked('a\r\nhalf'), outcome: 408 },
]

const syntax: Attack[] = [
  { name: 'a bare LF after the request line', bytes: `GET / HTTP/1.1\n${HOST}\r\n`, outcome: 400 },
  { name: 'a bare LF after a header', bytes: 'GET / HTTP/1.1\r\nHost: a\n\r\n', outcome: 400 },
  { name: 'a bare LF at the end', bytes: `GET / HTTP/1.1\r\n${HOST}\n`, outcome: 400 },
  { name: 'a bare CR in a value', bytes: withHeader('X-A: a\rX-B: b'), outcome: 400 },
  { name: 'a folded header', bytes: withHeader('X-A: a\r\n b'), outcome: 400 },
  {
    name: 'a folded first header',
    bytes: `GET / HTTP/1.1\r\n ${HOST}\r\n`,
    outcome: 400,
  },
  { name: 'a space before the colon', bytes: withHeader('X-A : a'), outcome: 400 },
  { name: 'a header without colon', bytes: withHeader('nonsense'), outcome: 400 },
  { name: 'a header without name', bytes: withHeader(': a'), outcome: 400 },
  { name: 'NUL in a header value', bytes: withHeader('X-A: a\0b'), outcome: 400 },
  { name: 'NUL in a header name', bytes: withHeader('X\0A: a'), outcome: 400 },
  { name: 'a control character in a value', bytes: withHeader('X-A: a\x01b'), outcome: 400 },
  { name: 'a non-ASCII header name', bytes: withHeader('X-\xe9: a'), outcome: 400 },
  { name: 'a header too large', bytes: withHeader(`X-A: ${'a'.repeat(20_000)}`), outcome: 431 },
  {
    name: 'an endless head',
    bytes: `GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(20_000)}`,
    outcome: 431,
  },
  {
    name: 'too many headers',
    bytes: `GET / HTTP/1.1\r\n${HOST}${'A: b\r\n'.repeat(500)}\r\n`,
    outcome: 431,
  },
  { name: 'an unknown method', bytes: `HACK / HTTP/1.1\r\n${HOST}\r\n`, outcome: 501, onNode: 400 },
  {
    name: 'a lower-case method',
    bytes: `get / HTTP/1.1\r\n${HOST}\r\n`,
    outcome: 501,
    onNode: 400,
  },
  { name: 'an unknown expectation', bytes: withHeader('Expect: 200-ok'), outcome: 417 },
  { name: 'TRACE', bytes: `TRACE / HTTP/1.1\r\n${HOST}\r\n`, outcome: 405 },
  { name: 'CONNECT', bytes: `CONNECT a:443 HTTP/1.1\r\n${HOST}\r\n`, outcome: 501 },
  {
    name: 'WebSocket',
    bytes: withHeader('Connection: Upgrade\r\nUpgrade: WebSocket'),
    outcome: 501,
  },
  { name: 'HTTP/0.9', bytes: 'GET /\r\n\r\n', outcome: 505 },
  { name: 'HTTP/2.0 in text', bytes: `GET / HTTP/2.0\r\n${HOST}\r\n`, outcome: 505 },
  { name: 'HTTP/0.9 with a version', bytes: `GET / HTTP/0.9\r\n${HOST}\r\n`, outcome: 505 },
  { name: 'HTTP/1.9', bytes: `GET / HTTP/1.9\r\n${HOST}\r\n`, outcome: 505 },
  { name: 'a lower-case version', bytes: `GET / http/1.1\r\n${HOST}\r\n`, outcome: 400 },
  { name: 'a tab for a space', bytes: `GET\t/ HTTP/1.1\r\n${HOST}\r\n`, outcome: 400 },
  {
    name: 'the HTTP/2 preface',
    bytes: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0',
    outcome: 501,
    onNode: 400,
  },
  {
    name: 'a TLS hello',
    bytes: new Uint8Array([22, 3, 1, 0, 5, 1, 0, 0, 1, 3]),
    outcome: 400,
  },
  { name: 'random bytes', bytes: '\xde\xad\xbe\xef\0\xff\r\n\r\n', outcome: 400 },
  { name: 'an HTTP response', bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', outcome: 400 },
  { name: 'half a request line', bytes: 'GET /', outcome: 408 },
  { name: 'half a head', bytes: `GET / HTTP/1.1\r\n${HOST}X-A: `, outcome: 408 },
  { name: 'nothing at all', bytes: '', outcome: 'closed' },
  {
    name: 'garbage behind a good request',
    bytes: `${get('/')}nonsense\r\n\r\n`,
    outcome: 400,
    served: 1,
  },
  {
    name: 'garbage behind a good request that ends the connection',
    bytes: `GET / HTTP/1.0\r\n${HOST}\r\nnonsense\r\n\r\n`,
    outcome: 'closed',
    served: 1,
  },
  {
    name: 'a bad target behind two good ones',
    bytes: get('/') + get('/') + get('/%zz'),
    outcome: 400,
    served: 2,
  },
  {
    name: 'a good request behind a bad one',
    bytes: get('/%zz') + get('/'),
    outcome: 400,
  },
]

const hosts: Attack[] = [
  { name: 'no Host', bytes: withHost(''), outcome: 400 },
  { name: 'an empty Host', bytes: withHost('Host:\r\n'), outcome: 400 },
  { name: 'two Hosts', bytes: withHost('Host: a\r\nHost: b\r\n'), outcome: 400 },
  { name: 'the same Host twice', bytes: withHost('Host: a\r\nhost: a\r\n'), outcome: 400 },
  {
    name: 'a second Host behind many headers',
    bytes: withHost(`Host: a\r\n${'A: b\r\n'.repeat(1_100)}Host: b\r\n`),
    outcome: 431,
  },
  ...[
    'user@example.com',
    'a, b',
    'a b',
    'a/b',
    'a?b',
    'a#b',
    'a\\b',
    'ex%61mple.com',
    '<script>',
    '\xe9.com',
    'a..b',
    '.a',
    'a:',
    'a:0',
    'a:65536',
    'a:80:80',
    'a:http',
    '999.1.1.1',
    '127.1',
    '0x7f.0.0.1',
    '[::1',
    '::1',
    '[::g]',
    '[]',
  ].map(
    (host): Attack => ({
      name: `Host ${JSON.stringify(host)}`,
      bytes: withHost(`Host: ${host}\r\n`),
      outcome: 400,
    }),
  ),
]

const targets: Attack[] = [
  ...[
    '*',
    'no-slash',
    'example.com:80',
    '/#fragment',
    '/\xe9',
    '/\xc0\xaf',
    '/\x7f',
    '/%',
    '/%2',
    '/%zz',
    '/?q=%zz',
    '/%C0%AF',
    '/%ff',
    '/%ED%A0%80',
    '/%00',
    '/a/%2e%2e/%00',
    'ftp://example.com/',
    'http://other.example/',
    'http://user@example.com/',
    'http://example.com:81/',
    'http:///path',
  ].map(
    (target): Attack => ({
      name: `target ${JSON.stringify(target)}`,
      bytes: get(target),
      outcome: 400,
    }),
  ),
  { name: 'a target too long', bytes: get(`/${'a'.repeat(9_000)}`), outcome: 414 },
]

const LISTENERS = {
  engine: (options: ListenerOptions): Listener => new EngineListener(options),
  node: (options: ListenerOptions): Listener => new NodeListener(options),
}

describe.each(['engine', 'node'] as const)('hostile requests of the %s listener', kind => {
  let listener: Listener
  let port: number
  const seen: string[] = []

  beforeAll(async () => {
    listener = LISTENERS[kind]({
      ...LISTENER_DEFAULTS,
      headersTimeoutMs: 400,
      requestTimeoutMs: 500,
      keepAliveTimeoutMs: 2_000,
      fetch: request => {
        seen.push(request.url)
        return request.method === 'GET'
          ? new FastResponse('good')
          : request.text().then(text => new FastResponse(text))
      },
    })
    port = (await listener.listen()).port
  })
  afterAll(() => listener.close())

  it.each([...framing, ...syntax, ...hosts, ...targets])(
    '$name: $outcome',
    async ({ bytes, outcome, onNode = outcome, served = 0 }) => {
      const expected = kind === 'node' ? onNode : outcome
      seen.length = 0
      const client = await RawClient.connect(port)
      client.send(bytes)
      const statuses = statusesIn(await client.untilClosed())
      const good = Array.from({ length: served }, () => 200)
      expect(statuses).toEqual(expected === 'closed' ? good : [...good, expected])
      expect(seen.filter(url => url.includes('smuggled'))).toEqual([])

      const next = await RawClient.connect(port)
      next.send(get('/after'))
      expect(await next.untilReceived('good')).toMatch(/^HTTP\/1\.1 200 /)
      next.destroy()
    },
  )
})
