import { type Cases, outcome, tells, untyped } from './case.ts'

const hex = (buffer: ArrayBuffer) =>
  Array.from(new Uint8Array(buffer), byte => byte.toString(16).padStart(2, '0')).join('')
const bytesOf = (text: string) => new TextEncoder().encode(text)
const kindsOf = (names: readonly string[]) =>
  Object.fromEntries(names.map(name => [name, typeof untyped(globalThis)[name]]))
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** What both platforms have beside Fetch. */
export const platformCases: Cases = {
  ...Object.fromEntries(
    ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'].map(name => [
      `digest ${name}`,
      tells(async () => hex(await crypto.subtle.digest(name, bytesOf('abc')))),
    ]),
  ),
  'digest of an unknown algorithm': tells(() =>
    outcome(() => crypto.subtle.digest('SHA-0', bytesOf('abc'))),
  ),
  'HMAC: sign and verify': tells(async () => {
    const algorithm = { name: 'HMAC', hash: 'SHA-256' }
    const usages = ['sign', 'verify'] as const
    const key = await crypto.subtle.importKey('raw', bytesOf('key'), algorithm, false, [...usages])
    const signature = await crypto.subtle.sign('HMAC', key, bytesOf('text'))
    const other = bytesOf('other')
    return [
      hex(signature),
      await crypto.subtle.verify('HMAC', key, signature, bytesOf('text')),
      await crypto.subtle.verify('HMAC', key, signature, other),
      await outcome(() => crypto.subtle.exportKey('raw', key)),
    ]
  }),
  'AES-GCM: there and back': tells(async () => {
    const key = await crypto.subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', true, [
      'encrypt',
      'decrypt',
    ])
    const algorithm = { name: 'AES-GCM', iv: new Uint8Array(12) }
    const sealed = await crypto.subtle.encrypt(algorithm, key, bytesOf('text'))
    const opened = await crypto.subtle.decrypt(algorithm, key, sealed)
    new Uint8Array(sealed)[0]! ^= 1
    const forged = await outcome(() => crypto.subtle.decrypt(algorithm, key, sealed))
    return [new TextDecoder().decode(opened), forged]
  }),
  PBKDF2: tells(async () => {
    const key = await crypto.subtle.importKey('raw', bytesOf('pw'), 'PBKDF2', false, ['deriveBits'])
    const salt = bytesOf('salt')
    const algorithm = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations: 1_000 }
    return hex(await crypto.subtle.deriveBits(algorithm, key, 256))
  }),
  'ECDSA: sign and verify': tells(async () => {
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
    const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
    const signature = await crypto.subtle.sign(algorithm, keys.privateKey, bytesOf('text'))
    const { kty, crv } = await crypto.subtle.exportKey('jwk', keys.publicKey)
    return [
      await crypto.subtle.verify(algorithm, keys.publicKey, signature, bytesOf('text')),
      signature.byteLength,
      kty,
      crv,
    ]
  }),
  'randomUUID and getRandomValues': tells(async () => {
    const bytes = new Uint8Array(8)
    return [
      UUID.test(crypto.randomUUID()),
      crypto.getRandomValues(bytes) === bytes,
      await outcome(() => crypto.getRandomValues(new Uint8Array(65_537)).length),
    ]
  }),
  'atob and btoa': tells(async () => [
    btoa('a\u00ff'),
    atob(' Y W I= '),
    atob('YWI'),
    await outcome(() => atob('a')),
    await outcome(() => atob('a*bc')),
    await outcome(() => btoa('\u0100')),
  ]),
  structuredClone: tells(async () => {
    const source = {
      date: new Date(0),
      map: new Map([[1, { a: 1 }]]),
      set: new Set([1]),
      bytes: new Uint8Array([1, 2]),
      error: new RangeError('x'),
      none: undefined,
    }
    const copy = structuredClone(source)
    return [
      copy.date.getTime(),
      copy.map.get(1),
      copy.map.get(1) !== source.map.get(1),
      [...copy.set],
      [...copy.bytes],
      copy.error instanceof RangeError,
      'none' in copy,
      await outcome(() => structuredClone(() => 1)),
    ]
  }),
  'URL: parsed': tells(() => {
    const url = new URL('../c?d=1#e', 'https://user:pw@EXAMPLE.test:443/a/b/')
    return [url.href, url.host, url.pathname, url.username, url.origin, url.hash]
  }),
  'URL: changed': tells(() => {
    const url = new URL('http://a.test/')
    url.protocol = 'https'
    url.port = '8443'
    url.pathname = '/b c/\u00fc'
    url.searchParams.set('q', 'x y')
    url.hash = ''
    return url.href
  }),
  'URL: IDN, IPv4, IPv6': tells(() => [
    new URL('http://m\u00fcnchen.test/').host,
    new URL('http://0x7f.1/').host,
    new URL('http://[::1]:80/').host,
  ]),
  'URL: invalid': tells(async () => [
    await outcome(() => new URL('nowhere').href),
    await outcome(() => new URL('http://a b/').href),
    URL.canParse('/a', 'http://b.test'),
    URL.canParse('/a'),
  ]),
  URLPattern: tells(() => {
    const pattern = new URLPattern({ pathname: '/books/:id{.:ext}?' })
    const match = pattern.exec('http://a.test/books/12.pdf')
    return [match?.pathname.groups, pattern.test('http://a.test/other'), pattern.pathname]
  }),
  'AbortSignal.timeout': tells(async () => {
    const signal = AbortSignal.timeout(5)
    await new Promise(resolve => signal.addEventListener('abort', resolve))
    return [signal.aborted, signal.reason.name, await outcome(() => signal.throwIfAborted())]
  }),
  'AbortSignal.any': tells(() => {
    const controller = new AbortController()
    const signal = AbortSignal.any([new AbortController().signal, controller.signal])
    const seen: string[] = []
    signal.addEventListener('abort', event => seen.push(event.type))
    controller.abort('enough')
    return [signal.aborted, signal.reason, seen]
  }),
  'AbortSignal.abort': tells(() => {
    const { aborted, reason } = AbortSignal.abort()
    return [aborted, reason.name, reason instanceof DOMException]
  }),
  'order of microtasks': tells(async () => {
    const seen: string[] = []
    const done = new Promise<void>(resolve => setTimeout(() => resolve(void seen.push('timer')), 0))
    queueMicrotask(() => seen.push('microtask'))
    Promise.resolve().then(() => seen.push('promise'))
    seen.push('now')
    await done
    return seen
  }),
  'setTimeout: arguments and order': tells(async () => {
    const seen: unknown[] = []
    await new Promise<void>(resolve => {
      setTimeout(() => resolve(void seen.push('later')), 10)
      setTimeout((a: number, b: number) => seen.push(a + b), 1, 1, 2)
    })
    return seen
  }),
  'clearTimeout and setInterval': tells(async () => {
    let count = 0
    clearTimeout(setTimeout(() => count++, 0))
    await new Promise<void>(resolve => {
      const interval = setInterval(() => {
        if (++count < 3) return
        clearInterval(interval)
        resolve()
      }, 1)
    })
    return count
  }),
  'setTimeout: what it returns': tells(() => {
    const timer = setTimeout(() => {}, 0)
    clearTimeout(timer)
    return typeof timer
  }),
  'TextDecoder: byte order mark': tells(() => {
    const bytes = new Uint8Array([0xef, 0xbb, 0xbf, 0x61])
    return [
      new TextDecoder().decode(bytes),
      new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes),
    ]
  }),
  'TextDecoder: fatal': tells(async () => {
    const bytes = new Uint8Array([0x61, 0xff])
    const fatal = new TextDecoder('utf-8', { fatal: true })
    return [new TextDecoder().decode(bytes), await outcome(() => fatal.decode(bytes))]
  }),
  'TextDecoder: labels': tells(async () => [
    new TextDecoder('latin1').encoding,
    new TextDecoder('latin1').decode(new Uint8Array([0x80, 0xe9])),
    new TextDecoder('utf-16le').decode(new Uint8Array([0x61, 0])),
    await outcome(() => new TextDecoder('nonsense').encoding),
  ]),
  'TextDecoder: in parts': tells(() => {
    const decoder = new TextDecoder()
    const first = decoder.decode(new Uint8Array([0xe2, 0x82]), { stream: true })
    return [first, decoder.decode(new Uint8Array([0xac]))]
  }),
  'TextEncoder.encodeInto': tells(() => {
    const target = new Uint8Array(3)
    const { read, written } = new TextEncoder().encodeInto('a\u20acb', target)
    return [read, written, [...target]]
  }),
  'JSON at its edges': tells(() => [
    JSON.parse('{"__proto__":1,"a":1,"a":2}').a,
    Number.MAX_SAFE_INTEGER + 1,
    -0,
    [undefined, () => 1, Symbol('x')],
    { a: undefined, d: new Date(0) },
    Number.NaN,
    '\u2028\ud800',
  ]),
  'Blob and File': tells(async () => {
    const blob = new Blob(['abc', new Uint8Array([0x64])], { type: 'Text/Plain' })
    const part = blob.slice(1, 3, 'a/b')
    const file = new File(['x'], 'f.txt', { type: 'text/csv', lastModified: 5 })
    return [
      blob.size,
      blob.type,
      await part.text(),
      part.type,
      file.name,
      file.type,
      file.lastModified,
      file instanceof Blob,
    ]
  }),
  'EventTarget and Event': tells(() => {
    const target = new EventTarget()
    const seen: unknown[] = []
    target.addEventListener('ping', event => seen.push(event.type, event.defaultPrevented), {
      once: true,
    })
    target.dispatchEvent(new Event('ping'))
    return [seen, target.dispatchEvent(new Event('ping'))]
  }),
  DOMException: tells(() => {
    const error = new DOMException('message', 'AbortError')
    return [error.name, error.message, error.code, error instanceof Error]
  }),
  MessageChannel: tells(
    () =>
      new Promise(resolve => {
        const { port1, port2 } = new MessageChannel()
        port2.onmessage = event => {
          port1.close()
          resolve(event.data)
        }
        port1.postMessage({ a: [1] })
      }),
  ),
  'performance.now': tells(() => typeof performance.now()),
  'globals that both have': tells(() =>
    kindsOf([
      'AbortController',
      'Blob',
      'ByteLengthQueuingStrategy',
      'CompressionStream',
      'CountQueuingStrategy',
      'crypto',
      'CryptoKey',
      'CustomEvent',
      'fetch',
      'File',
      'FormData',
      'navigator',
      'ReadableStreamBYOBReader',
      'SubtleCrypto',
      'TransformStream',
      'WebAssembly',
      'WebSocket',
      'WritableStreamDefaultWriter',
    ]),
  ),
  'globals of workerd': tells(() =>
    kindsOf([
      'caches',
      'EventSource',
      'FixedLengthStream',
      'HTMLRewriter',
      'IdentityTransformStream',
      'scheduler',
      'self',
      'WebSocketPair',
    ]),
  ),
  'globals of Node': tells(() =>
    kindsOf(['Buffer', 'global', 'process', 'require', 'setImmediate']),
  ),
  'navigator.userAgent': tells(() => navigator.userAgent.split('/')[0]),
}
