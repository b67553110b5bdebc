import type { Differences } from './answer.ts'

/** A difference that stays, and why. */
interface Permitted {
  readonly why: string
  readonly differs: Differences
}

const TARGET =
  'what is routed is what the function sees: the target in the one spelling of the URL standard; workerd passes on what the client has written'

/** By the name of the case. Both answers are pinned: when one changes, it is decided on anew. */
export const permitted: Readonly<Record<string, Permitted>> = {
  'request url: dot segments': {
    why: TARGET,
    differs: {
      body: [
        '"http://conformance.test/case/request%20url%3A%20dot%20segments/a/./b/../c"',
        '"http://conformance.test/case/request%20url%3A%20dot%20segments/a/c"',
      ],
    },
  },
  'request url: encoded dot segments': {
    why: TARGET,
    differs: {
      body: [
        '"http://conformance.test/case/request%20url%3A%20encoded%20dot%20segments/a/%2e/b/%2E%2e/c"',
        '"http://conformance.test/case/request%20url%3A%20encoded%20dot%20segments/a/c"',
      ],
    },
  },
  'request url: unusual characters': {
    why: 'workerd refuses what RFC 3986 allows in no URI; Fezz encodes it as the URL standard does',
    differs: {
      status: [400, 200],
      statusText: ['Bad Request', 'OK'],
      headers: [['content-type: text/plain'], ['content-type: application/json']],
      body: [
        'invalid URI',
        '"http://conformance.test/case/request%20url%3A%20unusual%20characters/a\'b%22c%3Cd%3E|%7Be%7D?%27%22%3C%3E|{}"',
      ],
    },
  },
  'request url: backslash': {
    why: TARGET,
    differs: {
      body: [
        '"http://conformance.test/case/request%20url%3A%20backslash/a\\\\b"',
        '"http://conformance.test/case/request%20url%3A%20backslash/a/b"',
      ],
    },
  },
  'request headers: Latin-1 value': {
    why: 'Fetch reads a header value byte by byte; workerd takes it for UTF-8, which this is not',
    differs: { body: ['"caf\u00ef\u00bf\u00bd"', '"caf\u00c3\u00a9"'] },
  },
  'request headers: of the request itself, changed': {
    why: 'a request that was made may be changed, and Fezz gives one; what runs on workerd does not try',
    differs: { body: ['["threw","TypeError"]', '["returned",null]'] },
  },
  'request headers: of a clone, changed': {
    why: 'as the request itself',
    differs: { body: ['["threw","TypeError"]', '["returned",null]'] },
  },
  'request body: none on POST': {
    why: 'Fetch marks no body as used where there was none; workerd gives an empty one',
    differs: { body: ['[0,true]', '[0,false]'] },
  },
  'request body: null on POST without one': {
    why: 'Fetch has null for no body; workerd gives an empty one',
    differs: { body: ['false', 'true'] },
  },
  'request body: sent with GET': {
    why: 'a Request of GET has no body in Fetch, and its content means nothing (RFC 9110, section 9.3.1)',
    differs: { body: ['[false,"text"]', '[true,""]'] },
  },
  'request new Request: patch in lower case': {
    why: 'Fetch keeps the case of PATCH, methods are case-sensitive; workerd does not',
    differs: { body: ['["returned","PATCH"]', '["returned","patch"]'] },
  },
  'request new Request: unknown method': {
    why: 'Fetch takes any token as a method; workerd takes those it knows',
    differs: { body: ['["threw","TypeError"]', '["returned","BREW"]'] },
  },
  'response body: text with a lone surrogate': {
    why: 'Fetch encodes U+FFFD; workerd sends bytes that are no UTF-8',
    differs: { body: ['a\u00ed\u00a0\u0080b', 'a\u00ef\u00bf\u00bdb'] },
  },
  'response body: number': {
    why: 'a value that has to be turned into text first is sent chunked',
    differs: {
      headers: [
        ['content-length: 1', 'content-type: text/plain;charset=UTF-8'],
        ['content-type: text/plain;charset=UTF-8'],
      ],
    },
  },
  'response body: plain object': {
    why: 'a value that has to be turned into text first is sent chunked',
    differs: {
      headers: [
        ['content-length: 15', 'content-type: text/plain;charset=UTF-8'],
        ['content-type: text/plain;charset=UTF-8'],
      ],
    },
  },
  'response status 299 without a name': {
    why: 'the phrase of the server; nobody is to rely on it (RFC 9112, section 4)',
    differs: { statusText: ['Successful', 'unknown'] },
  },
  'response status 418': {
    why: 'the phrase of the server; nobody is to rely on it (RFC 9112, section 4)',
    differs: { statusText: ["I'm a teapot", "I'm a Teapot"] },
  },
  'response Response.json of undefined': {
    why: 'Fetch throws for what JSON has no form for',
    differs: { body: ['["returned","undefined"]', '["threw","TypeError"]'] },
  },
  'response headers changed after construction': {
    why: 'one line or two, they mean the same (RFC 9110, section 5.3)',
    differs: {
      headers: [
        ['content-length: 1', 'content-type: text/plain;charset=UTF-8', 'x-a: 3', 'x-a: 4'],
        ['content-length: 1', 'content-type: text/plain;charset=UTF-8', 'x-a: 3, 4'],
      ],
    },
  },
  'response Latin-1 header value': {
    why: 'Fetch sends a header value byte by byte; workerd encodes it as UTF-8',
    differs: {
      headers: [
        ['content-length: 1', 'content-type: text/plain;charset=UTF-8', 'x-a: caf\u00c3\u00a9'],
        ['content-length: 1', 'content-type: text/plain;charset=UTF-8', 'x-a: caf\u00e9'],
      ],
    },
  },
  'response Content-Encoding over plain text': {
    why: "Fetch sends a body as it is; workerd encodes it unless encodeBody is 'manual'",
    differs: {
      body: [
        '\u001f\u008b\b\u0000\u0000\u0000\u0000\u0000\u0000\u0003+\u00ce\u00cfMU(I\u00ad(\u0001\u0000\u00ba\u00bd\u00baO\t\u0000\u0000\u0000',
        'some text',
      ],
    },
  },
  'headers deleted while iterated': {
    why: 'Fetch iterates over the list as it is now; workerd over a copy',
    differs: { body: ['["a","b","c"]', '["a","c"]'] },
  },
  'headers bad name: append of an empty one': {
    why: 'Fetch refuses it: it is no token',
    differs: { body: ['["returned",null]', '["threw","TypeError"]'] },
  },
  'headers bad name: has': {
    why: 'Fetch refuses it: it is no token',
    differs: { body: ['["returned",false]', '["threw","TypeError"]'] },
  },
  'headers bad value: beyond Latin-1': {
    why: 'Fetch refuses it: it has no byte for it; workerd encodes it as UTF-8',
    differs: { body: ['["returned",null]', '["threw","TypeError"]'] },
  },
  'form urlencoded: parsed': {
    why: 'the URL standard keeps a bad escape as it is',
    differs: {
      body: [
        '[["a","1"],["a","2"],["b","  \u00c3\u00bc"],["c",""],["","d"],["zz","1"]]',
        '[["a","1"],["a","2"],["b","  \u00c3\u00bc"],["c",""],["","d"],["%zz","1"]]',
      ],
    },
  },
  'form created: the multipart text': {
    why: 'the HTML standard normalises line breaks in values and escapes them in names',
    differs: {
      body: [
        '["multipart/form-data","--EDGE\\r\\nContent-Disposition: form-data; name=\\"a\\"\\r\\n\\r\\none\\ntwo\\r\\n--EDGE\\r\\nContent-Disposition: form-data; name=\\"q%22\\r%0A\\"\\r\\n\\r\\n\\"\\r\\n--EDGE\\r\\nContent-Disposition: form-data; name=\\"f\\"; filename=\\"f %221%22.txt\\"\\r\\nContent-Type: text/plain\\r\\n\\r\\ncontent\\r\\n--EDGE--"]',
        '["multipart/form-data","--EDGE\\r\\nContent-Disposition: form-data; name=\\"a\\"\\r\\n\\r\\none\\r\\ntwo\\r\\n--EDGE\\r\\nContent-Disposition: form-data; name=\\"q%22%0D%0A\\"\\r\\n\\r\\n\\"\\r\\n--EDGE\\r\\nContent-Disposition: form-data; name=\\"f\\"; filename=\\"f %221%22.txt\\"\\r\\nContent-Type: text/plain\\r\\n\\r\\ncontent\\r\\n--EDGE--\\r\\n"]',
      ],
    },
  },
  'form created: a Blob is a file named blob': {
    why: 'XMLHttpRequest (the standard of FormData) names it "blob"',
    differs: { body: ['[true,"f"]', '[true,"blob"]'] },
  },
  'stream request clone as response body': {
    why: 'workerd follows the length of a body through a clone; Fezz sends such a body chunked',
    differs: { headers: [['content-length: 1048576', 'x-length: 1048576'], ['x-length: 1048576']] },
  },
  'platform globals of workerd': {
    why: 'globals of one platform alone; Node has none of them',
    differs: {
      body: [
        '{"caches":"object","EventSource":"function","FixedLengthStream":"function","HTMLRewriter":"function","IdentityTransformStream":"function","scheduler":"object","self":"object","WebSocketPair":"function"}',
        '{"caches":"undefined","EventSource":"undefined","FixedLengthStream":"undefined","HTMLRewriter":"undefined","IdentityTransformStream":"undefined","scheduler":"undefined","self":"undefined","WebSocketPair":"undefined"}',
      ],
    },
  },
  'platform navigator.userAgent': {
    why: 'each platform says which one it is',
    differs: { body: ['"Cloudflare-Workers"', '"Node.js"'] },
  },
  'host request.cf': {
    why: "Cloudflare's own; Fezz knows nothing to say there",
    differs: { body: ['false', 'true'] },
  },
}
