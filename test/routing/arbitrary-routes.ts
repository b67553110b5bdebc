import fc from 'fast-check'

/** Routes out of `segments`, of which those that begin with `:` occur once in a pattern. */
export function arbitraryRoute(segments: readonly string[]) {
  const pattern = fc
    .tuple(
      fc.uniqueArray(fc.constantFrom(...segments), {
        maxLength: 4,
        selector: s => (s[0] === ':' ? s : {}),
      }),
      fc.constantFrom('', '/', '/*'),
    )
    .map(([parts, end]) => parts.map(part => `/${part}`).join('') + end || '/')
  return fc.record({
    methods: fc.oneof(
      fc.constant('ANY' as const),
      fc.uniqueArray(fc.constantFrom('GET' as const, 'HEAD' as const, 'POST' as const), {
        minLength: 1,
      }),
    ),
    path: pattern,
    host: fc.constantFrom(
      undefined,
      undefined,
      'a.test',
      'x.a.test',
      '*.test',
      '*.a.test',
      '*.x.a.test',
    ),
    priority: fc.constantFrom(0, 0, 0, 1, -1),
  })
}
