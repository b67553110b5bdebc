import { type Cases, outcome, tells, untyped } from './case.ts'

const fails = (run: (headers: Headers) => unknown) => tells(() => outcome(() => run(new Headers())))

/** The Headers class. */
export const headerCases: Cases = {
  'from a record, pairs, Headers, a Map': tells(() => [
    [...new Headers({ 'X-B': '2', 'x-a': '1' })],
    [
      ...new Headers([
        ['X-B', '2'],
        ['x-a', '1'],
      ]),
    ],
    [...new Headers(new Headers({ 'x-a': '1' }))],
    [...new Headers(untyped(new Map([['X-M', '1']])))],
  ]),
  'values are trimmed': tells(() => new Headers({ 'x-a': ' \t 1 2 \t' }).get('x-a')),
  'values are combined': tells(() => {
    const headers = new Headers({ accept: 'a' })
    headers.append('ACCEPT', 'b')
    headers.append('accept', '')
    return [headers.get('Accept'), [...headers]]
  }),
  'values that are no text': tells(() => [
    ...new Headers(untyped({ 'x-a': 5, 'x-b': null, 'x-c': undefined, 'x-d': ['1', '2'] })),
  ]),
  'iteration is sorted and in lower case': tells(() => {
    const headers = new Headers({ Zoo: '1', ant: '2', 'B-c': '3', B: '4' })
    return [[...headers], [...headers.keys()], [...headers.values()], [...headers.entries()]]
  }),
  'iteration keeps Set-Cookie apart': tells(() => {
    const headers = new Headers()
    headers.append('set-cookie', 'a=1')
    headers.append('x-a', '1')
    headers.append('Set-Cookie', 'b=2')
    return [[...headers], headers.get('set-cookie'), headers.getSetCookie()]
  }),
  'getSetCookie of none': tells(() => new Headers().getSetCookie()),
  'set in place of all': tells(() => {
    const headers = new Headers()
    headers.append('set-cookie', 'a=1')
    headers.append('set-cookie', 'b=2')
    headers.set('Set-Cookie', 'c=3')
    return headers.getSetCookie()
  }),
  'forEach: arguments and this': tells(() => {
    const headers = new Headers({ 'x-a': '1' })
    const seen: unknown[] = []
    headers.forEach(function (this: unknown, value, name, all) {
      seen.push(value, name, all === headers, this)
    }, 'self')
    return seen
  }),
  'get, has, delete of none': tells(() => {
    const headers = new Headers()
    return [headers.get('x'), headers.has('x'), headers.delete('x') === undefined]
  }),
  'deleted while iterated': tells(() => {
    const headers = new Headers({ a: '1', b: '2', c: '3' })
    const seen: string[] = []
    for (const [name] of headers) {
      seen.push(name)
      headers.delete('b')
    }
    return seen
  }),
  'bad name: set': fails(headers => headers.set('a b', '1')),
  'bad name: append of an empty one': fails(headers => headers.append('', '1')),
  'bad name: get': fails(headers => headers.get('a b')),
  'bad name: has': fails(headers => headers.has('a\u00fc')),
  'bad name: delete': fails(headers => headers.delete('a:')),
  'bad name: constructor': tells(() => outcome(() => [...new Headers({ 'a b': '1' })])),
  'bad value: line break': fails(headers => headers.set('a', '1\r\nb: 2')),
  'bad value: NUL': fails(headers => headers.set('a', '1\u00002')),
  'bad value: beyond Latin-1': fails(headers => headers.set('a', '\u0100')),
  'control character in a value': fails(headers => {
    headers.set('a', '1\u00012')
    return headers.get('a')
  }),
  'bad pair': tells(() => outcome(() => [...new Headers(untyped([['a']]))])),
  'from null': tells(() => outcome(() => [...new Headers(untyped(null))])),
  'from text': tells(() => outcome(() => [...new Headers(untyped('a'))])),
  'names of the class': tells(() => [
    Headers.name,
    Object.prototype.toString.call(new Headers()),
    typeof new Headers()[Symbol.iterator],
  ]),
}
