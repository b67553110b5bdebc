/**
 * Reads JSON. Unlike the platform's, its error never quotes the text, which may hold secrets.
 *
 * @throws SyntaxError with the line and column at which it stops to be JSON
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Thrown outside, so that the platform's own error isn't its cause.
  }
  const offset = findJsonError(text) ?? text.length
  const before = text.slice(0, offset).split('\n')
  const place = `line ${before.length}, column ${before.at(-1)!.length + 1}`
  throw new SyntaxError(
    offset === text.length
      ? `is not JSON: it ends too early, in ${place}`
      : `is not JSON: look at ${place}`,
  )
}

/** JSON for people: two spaces, and a line break at the end. */
export function formatJson(record: object): string {
  return `${JSON.stringify(record, null, 2)}\n`
}

const SPACE = /[ \t\n\r]*/y
const STRING = /"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4}))*"/y
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y

/**
 * Where `text` stops to be JSON (RFC 8259), its length when it ends too early; `undefined` when it
 * is JSON.
 */
export function findJsonError(text: string): number | undefined {
  const closers: string[] = []
  let at = 0
  const take = (token: RegExp): boolean => {
    token.lastIndex = at
    if (!token.test(text)) return false
    at = token.lastIndex
    return true
  }
  let next: 'value' | 'value or end' | 'name' | 'name or end' | 'colon' | 'comma or end' = 'value'
  for (;;) {
    take(SPACE)
    const char = text[at]
    const closer = closers.at(-1)
    if (next === 'comma or end' && closer === undefined) return char === undefined ? undefined : at
    if (next.endsWith('end') && char === closer) {
      closers.pop()
      at++
      next = 'comma or end'
    } else if (next === 'comma or end' || next === 'colon') {
      if (char !== (next === 'colon' ? ':' : ',')) return at
      at++
      next = next === 'comma or end' && closer === '}' ? 'name' : 'value'
    } else if (next.startsWith('name')) {
      if (!take(STRING)) return at
      next = 'colon'
    } else if (char === '{' || char === '[') {
      closers.push(char === '{' ? '}' : ']')
      at++
      next = char === '{' ? 'name or end' : 'value or end'
    } else {
      if (!take(STRING) && !take(SCALAR)) return at
      next = 'comma or end'
    }
  }
}
