import { METHODS } from 'node:http'
import { describe, expect, it } from 'vitest'
import { type ParserLimits, RequestParser } from '../../../src/http/engine/parser.ts'
import { byteByByte } from '../../fuzz/http/split.ts'
import { type Told, tell } from './tell.ts'

const LIMITS: ParserLimits = { maxHeaderBytes: 16_384, maxHeaders: 100, maxTargetBytes: 8_192 }

/** `text` has one character for each byte. */
function read(text: string, limits: Partial<ParserLimits> = {}): Told {
  return tell([Buffer.from(text, 'latin1')], { ...LIMITS, ...limits })
}

function errorOf(text: string, limits?: Partial<ParserLimits>): string | undefined {
  return read(text, limits).error
}

const withField = (field: string) => `GET / HTTP/1.1\r\n${field}\r\n\r\n`
const post = (field: string, body: string) => `POST / HTTP/1.1\r\n${field}\r\n\r\n${body}`
const chunked = (body: string) => post('Transfer-Encoding: chunked', body)
const NEXT = 'GET /next HTTP/1.1\r\n\r\n'

/** Bodies of all messages that are complete. */
function bodiesOf(text: string): string[] {
  const { messages, error } = read(text)
  expect(error).toBeUndefined()
  return messages.filter(({ end }) => end !== undefined).map(({ body }) => body)
}

describe('request line (RFC 9112, section 3)', () => {
  it.each(METHODS)('takes %s', method => {
    expect(read(`${method} / HTTP/1.1\r\n\r\n`).messages[0]?.line).toBe(`${method} / 1.1`)
  })

  it.each(['get', 'HACK', 'PRI', 'GETT', 'G', '!#$%&'])('does not implement %s', method => {
    expect(errorOf(`${method} / HTTP/1.1\r\n\r\n`)).toBe(
      'NOT_IMPLEMENTED The method is not implemented',
    )
  })

  it.each([
    ' / HTTP/1.1',
    'G(T / HTTP/1.1',
    'GET\t/ HTTP/1.1',
    'GET\r\n',
    '\xc7ET / HTTP/1.1',
    '\n',
  ])('takes %j for no method', line => {
    expect(errorOf(`${line}\r\n\r\n`)).toBe('BAD_REQUEST The request has a malformed method')
  })

  it.each(['/', '*', 'a:1', 'http://a/', '/!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'])(
    'leaves the form of the target %s to others',
    target => {
      expect(read(`GET ${target} HTTP/1.1\r\n\r\n`).messages[0]?.line).toBe(`GET ${target} 1.1`)
    },
  )

  it.each(['', '/\xe9', '/\x7f', '/\0', '/\t', '/a\n', '\r'])('refuses the target %j', target => {
    expect(errorOf(`GET ${target} HTTP/1.1\r\n\r\n`)).toBe(
      'BAD_REQUEST The request has a target that is not visible ASCII',
    )
  })

  it.each([
    'GET /\r\n\r\n',
    ...['0.9', '1.2', '1.9', '2.0', '3.1'].map(v => `GET / HTTP/${v}\r\n\r\n`),
  ])('serves no other version: %j', text => {
    expect(errorOf(text)).toBe(
      'HTTP_VERSION_NOT_SUPPORTED The only versions served are HTTP/1.1 and HTTP/1.0',
    )
  })

  it.each([
    'http/1.1',
    'HTTP/1',
    'HTTP/11',
    'HTTP/1.1 ',
    'HTTP/1.10',
    ' HTTP/1.1',
    'ICE/1.0',
    '\r',
  ])('takes %j for no version', version => {
    expect(errorOf(`GET / ${version}\r\n\r\n`)).toBe(
      'BAD_REQUEST The request has a malformed version',
    )
  })

  it('tells HTTP/1.0', () => {
    expect(read('GET / HTTP/1.0\r\n\r\n').messages[0]?.line).toBe('GET / 1.0')
  })

  it('skips one empty line before it, and no more', () => {
    expect(read(`\r\n${NEXT}\r\n${NEXT}`).messages).toHaveLength(2)
    expect(errorOf(`\r\n\r\n${NEXT}`)).toBe('BAD_REQUEST The request has a malformed method')
    expect(errorOf(`\r${NEXT}`)).toBe('BAD_REQUEST The request begins with a bare CR')
  })
})

describe('fields (RFC 9112, section 5)', () => {
  it('tells them as received, without the white space around values', () => {
    const fields = ['A:b', 'a:  \t c \t d\t ', 'X-Empty:', 'X-Blank: \t ', 'X-Text: \x80\xa0\xff']
    expect(read(withField(fields.join('\r\n'))).messages[0]?.rawHeaders).toEqual([
      'A',
      'b',
      'a',
      'c \t d',
      'X-Empty',
      '',
      'X-Blank',
      '',
      'X-Text',
      '\x80\xa0\xff',
    ])
  })

  it('takes every byte of a token in a name, and no other', () => {
    for (let byte = 0; byte < 256; byte++) {
      const char = String.fromCharCode(byte)
      const isToken = /[!#$%&'*+\-.^_`|~\dA-Za-z]/.test(char)
      // A colon ends the name: what is behind it is the value.
      const isTaken = errorOf(withField(`X${char}Y: v`)) === undefined
      expect([byte, isTaken]).toEqual([byte, isToken || char === ':'])
    }
  })

  it('takes every byte but control characters in a value', () => {
    for (let byte = 0; byte < 256; byte++) {
      const isTaken = errorOf(withField(`X: a${String.fromCharCode(byte)}b`)) === undefined
      expect([byte, isTaken]).toEqual([byte, byte === 9 || (byte >= 32 && byte !== 127)])
    }
  })

  it.each([
    ['X : a', 'has a malformed header name'],
    ['X', 'has a malformed header name'],
    [': a', 'has a malformed header name'],
    [' X: a', 'has a folded header'],
    ['X: a\r\n b', 'has a folded header'],
    ['X: a\r\n\tb', 'has a folded header'],
    ['X: a\nY: b', 'has a control character in a header'],
    ['X: a\rY: b', 'has a line that does not end in CRLF'],
    ['X: a\r\r', 'has a line that does not end in CRLF'],
    ['X: a\r\n\rY: b', 'has a line that does not end in CRLF'],
  ])('refuses %j: the request %s', (field, why) => {
    expect(errorOf(withField(field))).toBe(`BAD_REQUEST The request ${why}`)
  })

  it('wants CRLF behind the request line and the head', () => {
    const why = 'BAD_REQUEST The request has a line that does not end in CRLF'
    expect(errorOf('GET / HTTP/1.1\r\rA: b')).toBe(why)
    expect(errorOf('GET / HTTP/1.1\n\n')).toBe('BAD_REQUEST The request has a malformed version')
    expect(errorOf('GET / HTTP/1.1\r\nA: b\r\n\n')).toBe(
      'BAD_REQUEST The request has a malformed header name',
    )
    expect(errorOf('GET / HTTP/1.1\r\nA: b\r\n\r\r')).toBe(why)
  })

  it('knows Host and X-Request-Id, of any case', () => {
    const { messages } = read(withField('hOsT:  a \r\nx-request-ID: 1\r\nX-Request-Id: 2'))
    expect(messages[0]).toMatchObject({ host: 'a', requestId: '2', hasOptions: false })
    expect(errorOf(withField('Host: a\r\nHOST: a'))).toBe(
      'BAD_REQUEST The request has more than one Host header',
    )
  })

  it('knows nothing of one request at the next', () => {
    const { messages } = read(`${withField('Host: a\r\nX-Request-Id: 1\r\nExpect: b')}${NEXT}`)
    expect(messages[1]).toMatchObject({ host: undefined, requestId: undefined, hasOptions: false })
  })

  it.each(['Connection', 'proxy-connection', 'Upgrade', 'EXPECT'])(
    'tells that %s is there',
    name => {
      expect(read(withField(`${name}: a`)).messages[0]?.hasOptions).toBe(true)
    },
  )
})

describe('the connection behind a request', () => {
  const wantsClose = (text: string) => {
    const parser = new RequestParser(LIMITS)
    parser.push(Buffer.from(text, 'latin1'))
    expect(parser.next()).toBe('head')
    return parser.takeHead().wantsClose
  }

  it.each([
    ['Connection: close', true],
    ['connection: keep-alive,\tCLOSE ', true],
    ['Connection: a\r\nConnection: close', true],
    ['Proxy-Connection: close', true],
    ['Connection: keep-alive', false],
    ['Proxy-Connection: keep-alive', false],
    ['Connection: closed', false],
    // No white space to anybody else.
    ['Connection: close\xa0', false],
    ['X: close', false],
  ])('%j: to be closed is %s', (field, isClosed) => {
    expect(wantsClose(withField(field))).toBe(isClosed)
  })

  it('is closed after HTTP/1.0', () => {
    expect(wantsClose('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')).toBe(true)
  })
})

describe('limits', () => {
  it('of a target', () => {
    const target = (length: number) => `GET /${'a'.repeat(length - 1)} HTTP/1.1\r\n\r\n`
    expect(errorOf(target(20), { maxTargetBytes: 20 })).toBeUndefined()
    expect(errorOf(target(21), { maxTargetBytes: 20 })).toBe(
      'URI_TOO_LONG The target is longer than 20 bytes',
    )
    // As soon as it is known.
    expect(errorOf(`GET /${'a'.repeat(20)}`, { maxTargetBytes: 20 })).toMatch('URI_TOO_LONG')
  })

  it('of a head, from its first byte to its last', () => {
    const head = withField(`X: ${'a'.repeat(30)}`)
    const exact = { maxHeaderBytes: head.length }
    const why = `HEADERS_TOO_LARGE The head is larger than ${head.length - 1} bytes`
    expect(errorOf(head + head, exact)).toBeUndefined()
    expect(errorOf(`\r\n${head}`, exact)).toBeUndefined()
    expect(errorOf(head, { maxHeaderBytes: head.length - 1 })).toBe(why)
    expect(errorOf(head.slice(0, -1), exact)).toBeUndefined()
    expect(errorOf(head.slice(0, -1), { maxHeaderBytes: head.length - 1 })).toBe(why)
    expect(errorOf('G'.repeat(100), { maxHeaderBytes: 50 })).toMatch('HEADERS_TOO_LARGE')
  })

  it('of fields, those of trailers included', () => {
    const three = { maxHeaders: 3 }
    const why = 'HEADERS_TOO_LARGE The request has more than 3 headers'
    const fields = (count: number) => Array.from({ length: count }, () => 'A: b').join('\r\n')
    expect(errorOf(withField(fields(3)).repeat(2), three)).toBeUndefined()
    expect(errorOf(withField(fields(4)), three)).toBe(why)
    const body = `0\r\n${fields(2)}\r\n\r\n`
    expect(errorOf(chunked(body).repeat(2), three)).toBeUndefined()
    expect(errorOf(chunked(`0\r\n${fields(3)}\r\n\r\n`), three)).toBe(why)
    expect(errorOf(post('Content-Length: 1\r\nA: b\r\nA: b', 'x').repeat(2), three)).toBeUndefined()
  })

  it('of trailers', () => {
    const trailers = `X: ${'a'.repeat(100)}\r\n\r\n`
    const exact = { maxHeaderBytes: trailers.length }
    expect(errorOf(chunked(`0\r\n${trailers}`) + NEXT, exact)).toBeUndefined()
    expect(errorOf(chunked(`0\r\n${trailers}`), { maxHeaderBytes: trailers.length - 1 })).toBe(
      `HEADERS_TOO_LARGE The head is larger than ${trailers.length - 1} bytes`,
    )
  })
})

describe('Content-Length (RFC 9112, section 6.3)', () => {
  it.each(['3', '03', '0000000000000000003', ' 3', '\t3\t '])('%j is 3 bytes', length => {
    expect(bodiesOf(post(`Content-Length:${length}`, `abc${NEXT}`))).toEqual(['abc', ''])
  })

  it.each(['0', '0000000000000000000'])('%s is no body', length => {
    expect(bodiesOf(post(`Content-Length: ${length}`, NEXT))).toEqual(['', ''])
  })

  it('may be longer than anything there is', () => {
    const { messages } = read(post('Content-Length: 9999999999999999999', 'abc'))
    expect(messages[0]).toMatchObject({ bodyBytes: Number('9999999999999999999'), body: 'abc' })
  })

  it.each([
    '',
    '+3',
    '-3',
    '0x3',
    '3,3',
    '3, 3',
    '3 3',
    '3.0',
    '3e0',
    '"3"',
    '3\xa0',
    '\xb3',
    '00000000000000000003',
  ])('is not %j', length => {
    expect(errorOf(post(`Content-Length: ${length}`, 'abc'))).toBe(
      'BAD_REQUEST The request has a malformed Content-Length',
    )
  })

  it('is there once, and without Transfer-Encoding', () => {
    expect(errorOf(post('Content-Length: 3\r\nContent-Length: 3', 'abc'))).toBe(
      'BAD_REQUEST The request has more than one Content-Length header',
    )
    for (const fields of [
      'Content-Length: 3\r\nTransfer-Encoding: chunked',
      'Transfer-Encoding: chunked\r\nContent-Length: 3',
    ]) {
      expect(errorOf(post(fields, '0\r\n\r\n'))).toBe(
        'BAD_REQUEST The request has both Content-Length and Transfer-Encoding',
      )
    }
  })
})

describe('Transfer-Encoding (RFC 9112, section 6.1)', () => {
  it.each(['chunked', 'Chunked', '  CHUNKED', '\tchunked  '])('is %j', coding => {
    expect(bodiesOf(post(`Transfer-Encoding:${coding}`, `0\r\n\r\n${NEXT}`))).toEqual(['', ''])
  })

  it.each([
    '',
    'gzip',
    'identity',
    'xchunked',
    '"chunked"',
    'chunked;q=1',
    'gzip, chunked',
    'chunked\t',
    'chunked\xa0',
  ])('does not implement %j', coding => {
    expect(errorOf(post(`Transfer-Encoding: ${coding}`, '0\r\n\r\n'))).toBe(
      'NOT_IMPLEMENTED The only transfer coding here is chunked',
    )
  })

  it('has chunked at its end, once', () => {
    expect(errorOf(post('Transfer-Encoding: chunked, gzip', ''))).toBe(
      'BAD_REQUEST The request has a coding after chunked',
    )
    expect(errorOf(post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', ''))).toBe(
      'BAD_REQUEST The request has more than one Transfer-Encoding header',
    )
  })

  it('is not in HTTP/1.0', () => {
    expect(errorOf('POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')).toBe(
      'BAD_REQUEST The request has a Transfer-Encoding in HTTP/1.0',
    )
  })
})

describe('chunks (RFC 9112, section 7.1)', () => {
  it('are joined', () => {
    const body = '3\r\nabc\r\n0A\r\n0123456789\r\n000\r\n\r\n'
    expect(bodiesOf(chunked(body) + NEXT)).toEqual(['abc0123456789', ''])
  })

  it.each([
    '0000000000000003',
    '3;a',
    '3;a=b',
    '3;a="b;\\"\t\xe9";c',
    '3;!#=~',
    '3;a="\\\xff\\\t"',
    '3;a=""',
  ])('begin with %j', line => {
    expect(bodiesOf(chunked(`${line}\r\nabc\r\n0;x=y\r\n\r\n${NEXT}`))).toEqual(['abc', ''])
  })

  it.each([
    '',
    ' 3',
    '3 ',
    '+3',
    '-3',
    '0x3',
    'g',
    '3\n',
    '3\r\r',
    '00000000000000003',
    '20000000000000',
    '3;',
    '3;;a',
    '3;=b',
    '3;a=',
    '3;a=;b',
    '3; a',
    '3 ;a',
    '3;a =b',
    '3;a= b',
    '3;a b',
    '3;a=b=c',
    '3;a="b',
    '3;a="b"c',
    '3;a="\x01"',
    '3;a="\\\x01"',
    '3;a\nb',
    '3;a="\r\n"',
    '3;\xe9',
    '3;a\0',
  ])('do not begin with %j', line => {
    expect(errorOf(chunked(`${line}\r\nabc\r\n0\r\n\r\n`))).toBe(
      'BAD_REQUEST The request has a malformed chunk size',
    )
  })

  it('may be as large as a number is exact', () => {
    expect(errorOf(chunked('1fffffffffffff\r\nabc'))).toBeUndefined()
  })

  it.each(['abcd\r\n', 'abc\n', 'abc\r\r', 'abc\r', 'abc0\r\n'])('of 3 bytes are not %j', data => {
    expect(errorOf(chunked(`3\r\n${data}0\r\n\r\n`))).toBe(
      'BAD_REQUEST The request has a chunk that is longer than its size',
    )
  })

  it('have 4,096 bytes of extensions, all together and each body anew', () => {
    const line = (bytes: number) => `;${'x'.repeat(bytes - 1)}\r\n`
    const body = (first: number, second: number) =>
      `1${line(first)}a\r\n1${line(second)}b\r\n0\r\n\r\n`
    const full = body(2_048, 2_048)
    expect(bodiesOf(chunked(full) + chunked(full))).toEqual(['ab', 'ab'])
    expect(errorOf(chunked(body(2_048, 2_049)))).toBe(
      'PAYLOAD_TOO_LARGE The chunk extensions are too large',
    )
  })
})

describe('trailers (RFC 9112, section 7.1.2)', () => {
  it('are read and forgotten', () => {
    const { messages, error } = read(chunked(`0\r\nX-Sum: a\r\nX-Request-Id: 7\r\n\r\n${NEXT}`))
    expect(error).toBeUndefined()
    expect(messages[0]).toMatchObject({
      rawHeaders: ['Transfer-Encoding', 'chunked'],
      requestId: undefined,
    })
    expect(messages[1]).toMatchObject({ line: 'GET /next 1.1', requestId: undefined })
  })

  it.each([
    'Content-Length: 3',
    'transfer-encoding: chunked',
    'Host: a',
    'Connection: close',
    'proxy-connection: close',
    'Upgrade: a',
    'Expect: a',
  ])('do not say what the head has to: %s', trailer => {
    expect(errorOf(chunked(`0\r\n${trailer}\r\n\r\n`))).toBe(
      'BAD_REQUEST The request has a trailer that belongs into its head',
    )
  })

  it.each([
    [' X: a', 'has a folded header'],
    ['X : a', 'has a malformed header name'],
    ['X: a\nY: b', 'has a control character in a header'],
  ])('have the syntax of fields: %j %s', (trailer, why) => {
    expect(errorOf(chunked(`0\r\n${trailer}\r\n\r\n`))).toBe(`BAD_REQUEST The request ${why}`)
  })
})

describe('what is held', () => {
  it('is what is not told', () => {
    expect(read('')).toMatchObject({ held: 0, isMidMessage: false })
    expect(read('GET / HT')).toMatchObject({ held: 8, isMidMessage: true })
    expect(read(`${NEXT}GET / HT`)).toMatchObject({ held: 8, isMidMessage: true })
    expect(read(NEXT)).toMatchObject({ held: 0, isMidMessage: false })
    expect(read('\r')).toMatchObject({ held: 1, isMidMessage: true })
    expect(read('\r\n')).toMatchObject({ held: 0, isMidMessage: false })
    expect(read(post('Content-Length: 3', 'ab'))).toMatchObject({ held: 0, isMidMessage: true })
    expect(read(chunked('3;a=b'))).toMatchObject({ held: 0, isMidMessage: true })
    expect(read(chunked('0\r\nX: a'))).toMatchObject({ held: 4, isMidMessage: true })
  })

  it('is all of a body, or not', () => {
    const parser = new RequestParser(LIMITS)
    parser.push(Buffer.from(post('Content-Length: 3', 'ab')))
    expect(parser.next()).toBe('head')
    expect(parser.holdsBody).toBe(false)
    parser.push(Buffer.from(`c${NEXT}`))
    expect(parser.holdsBody).toBe(true)
    expect(parser.next()).toBe('data')
    expect(parser.takeData().toString()).toBe('abc')
    expect(parser.next()).toBe('end')
    expect(parser.takeRest().toString()).toBe(NEXT)
    expect([parser.held, parser.next()]).toEqual([0, 'more'])
  })

  it('is nothing of a chunk that was told', () => {
    const parser = new RequestParser(LIMITS)
    const bytes = Buffer.from(chunked('3\r\nabc'))
    parser.push(bytes)
    expect([parser.next(), parser.holdsBody, parser.next(), parser.held]).toEqual([
      'head',
      false,
      'data',
      0,
    ])
  })
})

it('reads pipelined requests that come byte by byte', () => {
  const text = chunked('3\r\nabc\r\n0\r\n\r\n') + post('Content-Length: 2', 'de') + NEXT
  const { messages } = tell(byteByByte(Buffer.from(text)), LIMITS)
  expect(messages.map(({ line, body }) => [line, body])).toEqual([
    ['POST / 1.1', 'abc'],
    ['POST / 1.1', 'de'],
    ['GET /next 1.1', ''],
  ])
})
