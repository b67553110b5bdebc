import { answers, type Cases, outcome, type Sent, streamOf, TEXT, tells, untyped } from './case.ts'

const URL_OTHER = 'http://other.test/x'

const at = (rest: string): Sent => ({ rest })
const tellsUrl = (rest: string) => tells(({ url }) => url, at(rest))

/** The request as it arrives, and the requests that a module makes of it. */
export const requestCases: Cases = {
  'url: path and query': tellsUrl('/a/b?x=1&y=2'),
  'url: encoded slash and UTF-8': tellsUrl('/a%2Fb/%C3%A9?x=%20+&y=a%26b'),
  'url: needless escapes': tellsUrl('/%41%7e?%41'),
  'url: dot segments': tellsUrl('/a/./b/../c'),
  'url: encoded dot segments': tellsUrl('/a/%2e/b/%2E%2e/c'),
  'url: double slash': tellsUrl('//a//b'),
  'url: empty query': tellsUrl('?'),
  'url: unusual characters': tellsUrl(`/a'b"c<d>|{e}?'"<>|{}`),
  'url: backslash': tellsUrl('/a\\b'),
  'url: parsed': tells(({ url }) => {
    const { pathname, search, searchParams, host, protocol, hash } = new URL(url)
    return [pathname, search, [...searchParams], host, protocol, hash]
  }, at('/a%20b?q=%C3%BC&q=+')),
  ...Object.fromEntries(
    ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].map(method => [
      `method ${method}`,
      tells(request => request.method, { method }),
    ]),
  ),
  'headers: names in any case': tells(
    ({ headers }) => [headers.get('x-NAME'), headers.has('X-Name'), headers.get('x-none')],
    TEXT,
  ),
  'headers: repeated': tells(({ headers }) => [headers.get('x-a'), headers.get('accept')], {
    headers: { 'X-A': ['1', '2'], Accept: ['a/b', 'c/d'] },
  }),
  'headers: repeated Cookie': tells(({ headers }) => headers.get('cookie'), {
    headers: { Cookie: ['a=1', 'b=2'] },
  }),
  'headers: iterated in order': tells(
    ({ headers }) => [...headers].filter(([name]) => name.startsWith('x-')),
    { headers: { 'X-Zoo': '1', 'X-Ant': '2', 'x-bee': '3' } },
  ),
  'headers: Latin-1 value': tells(({ headers }) => headers.get('x-a'), {
    headers: { 'x-a': 'caf\u00e9' },
  }),
  'headers: empty value': tells(({ headers }) => [headers.get('x-a'), headers.has('x-a')], {
    headers: { 'x-a': '' },
  }),
  'headers: copy that is changed': tells(request => {
    const headers = new Headers(request.headers)
    headers.set('x-name', 'Bob')
    headers.append('x-name', 'Carol')
    headers.delete('content-type')
    return [headers.get('x-name'), headers.has('content-type'), request.headers.get('x-name')]
  }, TEXT),
  'headers: of the request itself, changed': tells(
    ({ headers }) => outcome(() => headers.set('x-name', 'Bob')),
    TEXT,
  ),
  'headers: of a copy of the request, changed': tells(request => {
    const copy = new Request(request)
    copy.headers.set('x-name', 'Bob')
    return [copy.headers.get('x-name'), request.headers.get('x-name')]
  }, TEXT),
  'headers: of a clone, changed': tells(
    request => outcome(() => request.clone().headers.set('x-name', 'Bob')),
    TEXT,
  ),
  'body: of GET': tells(async request => [
    request.body,
    request.bodyUsed,
    await request.text(),
    request.bodyUsed,
    (await request.arrayBuffer()).byteLength,
  ]),
  'body: none on POST': tells(
    async request => [(await request.arrayBuffer()).byteLength, request.bodyUsed],
    { method: 'POST' },
  ),
  'body: null on POST without one': tells(request => request.body === null, { method: 'POST' }),
  'body: sent with GET': tells(async request => [request.body === null, await request.text()], {
    body: 'text',
  }),
  'body: sent with DELETE': tells(request => request.text(), { ...TEXT, method: 'DELETE' }),
  'body: text': tells(request => request.text(), { ...TEXT, body: 'gr\u00fc\u00dfe \u{1f600}' }),
  'body: text with a byte order mark': tells(request => request.text(), {
    ...TEXT,
    body: '\ufeffa',
  }),
  'body: text of bad UTF-8': tells(request => request.text(), {
    ...TEXT,
    body: new Uint8Array([0x61, 0xff, 0xc3, 0x62]),
  }),
  'body: json': tells(request => request.json(), { ...TEXT, body: '{"a":[1,null,"\\u00fc"]}' }),
  'body: invalid json': tells(request => outcome(() => request.json()), { ...TEXT, body: '{a' }),
  'body: json of nothing': tells(request => outcome(() => request.json()), { method: 'POST' }),
  'body: bytes': tells(async request => [...(await request.bytes())], TEXT),
  'body: arrayBuffer': tells(async request => {
    const buffer = await request.arrayBuffer()
    return [buffer instanceof ArrayBuffer, [...new Uint8Array(buffer)]]
  }, TEXT),
  'body: blob': tells(async request => {
    const blob = await request.blob()
    return [blob instanceof Blob, blob.type, blob.size, await blob.text()]
  }, TEXT),
  'body: read in chunks': tells(async request => {
    const seen: number[] = []
    for await (const chunk of request.body!) seen.push(...chunk)
    return [seen, request.bodyUsed]
  }, TEXT),
  'body: used twice': tells(async request => {
    const first = await request.text()
    return [first, request.bodyUsed, await outcome(() => request.text())]
  }, TEXT),
  'body: used twice is a rejection, not a throw': tells(async request => {
    await request.text()
    const again = request.json()
    return [again instanceof Promise, await outcome(() => again)]
  }, TEXT),
  'body: locked': tells(async request => {
    request.body!.getReader()
    return [request.bodyUsed, await outcome(() => request.text())]
  }, TEXT),
  'clone: both are read': tells(async request => {
    const copy = request.clone()
    return [await copy.text(), request.bodyUsed, await request.text(), copy.method, copy.url]
  }, TEXT),
  'clone: after the body was read': tells(async request => {
    await request.text()
    return outcome(() => request.clone())
  }, TEXT),
  'clone: of GET': tells(
    request => {
      const copy = request.clone()
      return [copy.body, copy.headers.get('x-a'), copy !== request]
    },
    { headers: { 'x-a': '1' } },
  ),
  'new Request(request)': tells(async request => {
    const copy = new Request(request)
    return [copy.method, copy.url, copy.headers.get('x-name'), request.bodyUsed, await copy.text()]
  }, TEXT),
  'new Request(request, method)': tells(async request => {
    const copy = new Request(request, { method: 'PUT' })
    return [copy.method, copy.headers.get('x-name'), await copy.text()]
  }, TEXT),
  'new Request(request, headers) replaces all': tells(async request => {
    const copy = new Request(request, { headers: { 'x-new': '1' } })
    return [[...copy.headers], await copy.text()]
  }, TEXT),
  'new Request(request, body)': tells(async request => {
    const copy = new Request(request, { body: 'other' })
    return [copy.method, await copy.text(), request.bodyUsed, await request.text()]
  }, TEXT),
  'new Request(request, GET) with a body': tells(
    request => outcome(() => new Request(request, { method: 'GET' }).method),
    TEXT,
  ),
  'new Request(request) after the body was read': tells(async request => {
    await request.text()
    return outcome(() => new Request(request).method)
  }, TEXT),
  'new Request(url, request)': tells(async request => {
    const copy = new Request(URL_OTHER, request)
    return [copy.url, copy.method, copy.headers.get('x-name'), await copy.text()]
  }, TEXT),
  'new Request(url, request) of GET': tells(
    request => {
      const copy = new Request(URL_OTHER, request)
      return [copy.url, copy.method, copy.headers.get('x-a'), copy.body]
    },
    { headers: { 'x-a': '1' } },
  ),
  'new Request(url, parts of the request)': tells(async request => {
    const { method, headers, body } = request
    const copy = new Request(URL_OTHER, { method, headers, body })
    return [copy.url, copy.method, copy.headers.get('x-name'), await copy.text()]
  }, TEXT),
  'new Request(URL object)': tells(() => new Request(new URL('/p?q#h', URL_OTHER)).url),
  'new Request: a stream as body': tells(() =>
    new Request(URL_OTHER, { method: 'POST', body: streamOf('a', 'b') }).text(),
  ),
  'new Request: content type of text': tells(() => {
    const request = new Request(URL_OTHER, { method: 'POST', body: 'a' })
    return request.headers.get('content-type')
  }),
  'new Request: GET with a body': tells(() =>
    outcome(() => new Request(URL_OTHER, { method: 'GET', body: 'a' }).method),
  ),
  'new Request: method in lower case': tells(() => [
    new Request(URL_OTHER, { method: 'post' }).method,
    new Request(URL_OTHER, { method: 'delete' }).method,
  ]),
  'new Request: patch in lower case': tells(() =>
    outcome(() => new Request(URL_OTHER, { method: 'patch' }).method),
  ),
  'new Request: unknown method': tells(() =>
    outcome(() => new Request(URL_OTHER, { method: 'BREW' }).method),
  ),
  'new Request: method that is no token': tells(() =>
    outcome(() => new Request(URL_OTHER, { method: 'a b' }).method),
  ),
  'new Request: relative URL': tells(() => outcome(() => new Request('/relative').url)),
  'new Request: no arguments': tells(() => outcome(() => new (untyped(Request))().url)),
  'new Request: bad header name': tells(() =>
    outcome(() => new Request(URL_OTHER, { headers: { 'a b': '1' } }).url),
  ),
  'signal of the request': tells(request => [
    request.signal instanceof AbortSignal,
    request.signal.aborted,
  ]),
  'signal of a made request': tells(() => {
    const controller = new AbortController()
    const request = new Request(URL_OTHER, { signal: controller.signal })
    controller.abort()
    return request.signal.aborted
  }),
  'redirect mode of the request': tells(request => request.redirect),
  'redirect mode of a made request': tells(() => [
    new Request(URL_OTHER).redirect,
    new Request(URL_OTHER, { redirect: 'manual' }).redirect,
  ]),
  'instanceof and names': tells(request => [
    request instanceof Request,
    new Request(request) instanceof Request,
    request.headers instanceof Headers,
    Object.prototype.toString.call(request),
    request.constructor === Request,
    request.constructor.name,
    Request.name,
  ]),
  'class extends Request': tells(request => {
    class Mine extends Request {
      get shout() {
        return this.method.toLowerCase()
      }
    }
    const mine = new Mine(request)
    return [mine.shout, mine instanceof Mine, mine instanceof Request, mine.text()].length
  }, TEXT),
  'a property of its own': tells(request => {
    untyped(request).user = 'Alice'
    return untyped(request).user
  }),
  'request as a response': answers(
    ({ body, headers }) => new Response(body, { headers: { 'x-name': headers.get('x-name')! } }),
    TEXT,
  ),
}
