import { answers, type Cases, outcome, TEXT, tells, untyped } from './case.ts'

const HEAD = { method: 'HEAD' }

/** What the host makes of what a module does: the context, errors, HEAD. */
export const hostCases: Cases = {
  throws: answers(() => {
    throw new Error('secret')
  }),
  'throws text': answers(() => {
    throw 'secret'
  }),
  rejects: answers(() => Promise.reject(new TypeError('secret'))),
  'returns nothing': answers(() => undefined),
  'returns an object': answers(() => ({ status: 200 })),
  'returns a used response': answers(async () => {
    const response = new Response('a')
    await response.text()
    return response
  }),
  'returns Response.error()': answers(() => Response.error()),
  'throws after passThroughOnException': answers((_, context) => {
    context.passThroughOnException()
    throw new Error('secret')
  }),
  waitUntil: tells((_, context) => {
    let isDone = false
    const work = new Promise<void>(resolve => {
      setTimeout(() => {
        isDone = true
        resolve()
      }, 1)
    })
    return [context.waitUntil(work) === undefined, isDone]
  }),
  'waitUntil of what rejects': answers((_, context) => {
    context.waitUntil(Promise.reject(new Error('secret')))
    return new Response('answered')
  }),
  'waitUntil of a value': tells((_, context) => outcome(() => context.waitUntil(untyped(1)))),
  'waitUntil without its context': tells((_, { waitUntil }) =>
    outcome(() => waitUntil(Promise.resolve())),
  ),
  'HEAD: text': answers(() => new Response('abc', { headers: { 'x-a': '1' } }), HEAD),
  'HEAD: no body': answers(() => new Response(null), HEAD),
  'HEAD: method seen': answers(
    ({ method }) => new Response(null, { headers: { 'x-m': method } }),
    HEAD,
  ),
  'HEAD: length that is given': answers(
    () => new Response(null, { headers: { 'content-length': '12' } }),
    HEAD,
  ),
  'HEAD: stream': answers(() => new Response(new Response('abc').body), HEAD),
  'HEAD: 404': answers(() => new Response('none', { status: 404 }), HEAD),
  'OPTIONS: empty': answers(() => new Response(null, { headers: { allow: 'GET' } }), {
    method: 'OPTIONS',
  }),
  'body left unread': answers(() => new Response('answered'), TEXT),
  'request.cf': tells(request => untyped(request).cf === undefined),
}
