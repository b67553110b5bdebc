import { findField } from '../web/fields.ts'

/** What a request says before its body. Its fields are taken apart when somebody asks for one. */
export class RequestHead {
  readonly method: string
  /** As received. */
  readonly target: string
  readonly isHttp10: boolean
  readonly host: string | undefined
  /** Length of the body; -1 when it is chunked, 0 when there is none. */
  readonly bodyBytes: number
  /** Value of `X-Request-Id`, the last one if there are several. */
  readonly requestId: string | undefined
  /**
   * Whether any of `Connection`, `Proxy-Connection`, `Expect` and `Upgrade` is there; most requests
   * have none.
   */
  readonly hasOptions: boolean
  readonly #fields: string
  #rawHeaders: readonly string[] | undefined

  /** @param fields the field lines, each with its CRLF, checked */
  constructor(
    method: string,
    target: string,
    isHttp10: boolean,
    fields: string,
    host: string | undefined,
    bodyBytes: number,
    requestId: string | undefined,
    hasOptions: boolean,
  ) {
    this.method = method
    this.target = target
    this.isHttp10 = isHttp10
    this.#fields = fields
    this.host = host
    this.bodyBytes = bodyBytes
    this.requestId = requestId
    this.hasOptions = hasOptions
  }

  /** Name, value, name, value, ... as received, without the white space around values. */
  get rawHeaders(): readonly string[] {
    this.#rawHeaders ??= splitFields(this.#fields)
    return this.#rawHeaders
  }

  /**
   * Whether the client closes the connection after this request, or wants it closed. Some readers
   * take `Proxy-Connection` for `Connection`: to close is right for all of them.
   */
  get wantsClose(): boolean {
    if (this.isHttp10) return true
    if (!this.hasOptions) return false
    return (
      hasElement(this.rawHeaders, 'connection', 'close') ||
      hasElement(this.rawHeaders, 'proxy-connection', 'close')
    )
  }

  /** Value of `Expect`; HTTP/1.0 has none (RFC 9110, section 10.1.1). */
  get expectation(): string | undefined {
    return this.hasOptions && !this.isHttp10 ? findField(this.rawHeaders, 'expect') : undefined
  }

  /** Protocols asked for, lower case. Not unless Connection names Upgrade (RFC 9110, section 7.8). */
  get upgrades(): readonly string[] {
    const isAsked = this.hasOptions && !this.isHttp10
    if (!isAsked || !hasElement(this.rawHeaders, 'connection', 'upgrade')) return []
    return elementsOf(this.rawHeaders, 'upgrade')
  }
}

function splitFields(fields: string): string[] {
  const list: string[] = []
  for (let at = 0; at < fields.length; ) {
    const colon = fields.indexOf(':', at)
    const end = fields.indexOf('\r\n', colon)
    list.push(fields.substring(at, colon), trimmed(fields, colon + 1, end))
    at = end + 2
  }
  return list
}

/** Without OWS alone (RFC 9110, section 5.6.3): `trim` would take no-break spaces too. */
function trimmed(text: string, start: number, end: number): string {
  while (start < end && isSpace(text.charCodeAt(start))) start++
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--
  return text.substring(start, end)
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}

function elementsOf(rawHeaders: readonly string[], name: string): string[] {
  const list = findField(rawHeaders, name)
  if (list === undefined) return []
  return list.split(',').map(element => trimmed(element, 0, element.length).toLowerCase())
}

function hasElement(rawHeaders: readonly string[], name: string, element: string): boolean {
  return elementsOf(rawHeaders, name).includes(element)
}
