/** One response, as a strict client reads it. */
export interface StrictResponse {
  readonly status: number
  /** Names in lower case; none may be there twice. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** What is there of a response. */
type Part = { readonly response: StrictResponse; readonly end: number } | 'incomplete'

/**
 * All responses in `text`, one character per byte, read by RFC 9112 alone.
 *
 * @param methods of the requests, in order; an answer to HEAD has no body
 * @param hasEnded whether the connection is closed: a body without length ends with it
 * @throws for whatever is not a response, or not framed as it should be
 */
export function strictResponses(
  text: string,
  methods: readonly string[],
  hasEnded: boolean,
): { responses: StrictResponse[]; rest: string } {
  const responses: StrictResponse[] = []
  let at = 0
  while (at < text.length) {
    const finals = responses.filter(({ status }) => status >= 200).length
    const part = readOne(text, at, methods[finals] === 'HEAD', hasEnded)
    if (part === 'incomplete') break
    responses.push(part.response)
    at = part.end
  }
  return { responses, rest: text.slice(at) }
}

function readOne(text: string, start: number, isHead: boolean, hasEnded: boolean): Part {
  const headEnd = text.indexOf('\r\n\r\n', start)
  if (headEnd === -1) {
    if (!'HTTP/1.1 '.startsWith(text.slice(start, start + 9))) throw new Error(shown(text, start))
    return 'incomplete'
  }
  const [line = '', ...fields] = text.slice(start, headEnd).split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3}) [\t\x20-\x7e]*$/.exec(line)?.[1] ?? Number.NaN)
  if (Number.isNaN(status)) throw new Error(shown(text, start))
  const headers = new Map<string, string>()
  for (const field of fields) {
    const [, name = '', value = ''] = /^([\w-]+): (.*)$/.exec(field) ?? []
    if (name === '' || headers.has(name.toLowerCase())) throw new Error(`field ${field}`)
    headers.set(name.toLowerCase(), value)
  }
  const bodyStart = headEnd + 4
  const length = headers.get('content-length')
  const isChunked = headers.get('transfer-encoding') === 'chunked'
  if (isChunked && length !== undefined) throw new Error('two framings')
  const done = (body: string, end: number) => ({ response: { status, headers, body }, end })
  if (isHead || status < 200 || status === 204 || status === 304) return done('', bodyStart)
  if (isChunked) {
    const chunks = readChunks(text, bodyStart)
    return chunks === 'incomplete' ? chunks : done(chunks.body, chunks.end)
  }
  if (length === undefined)
    return hasEnded ? done(text.slice(bodyStart), text.length) : 'incomplete'
  if (!/^\d+$/.test(length)) throw new Error(`length ${length}`)
  const end = bodyStart + Number(length)
  return end > text.length ? 'incomplete' : done(text.slice(bodyStart, end), end)
}

function readChunks(text: string, start: number): { body: string; end: number } | 'incomplete' {
  const parts: string[] = []
  for (let at = start; ; ) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd === -1) return 'incomplete'
    const line = text.slice(at, lineEnd)
    if (!/^[\da-f]+$/i.test(line)) throw new Error(`chunk size ${shown(text, at)}`)
    const size = Number.parseInt(line, 16)
    const end = lineEnd + 2 + size
    if (end + 2 > text.length) return 'incomplete'
    if (text.slice(end, end + 2) !== '\r\n') throw new Error(`end of a chunk ${shown(text, end)}`)
    if (size === 0) return { body: parts.join(''), end: end + 2 }
    parts.push(text.slice(lineEnd + 2, end))
    at = end + 2
  }
}

function shown(text: string, at: number): string {
  return JSON.stringify(text.slice(Math.max(0, at - 40), at + 80))
}
