import { ownText } from '../own-text.ts'

/** Fields of one message as name, value, name, value, ... */
export type FieldList = readonly string[]

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const MAX_KNOWN_NAMES = 512
const MAX_KNOWN_LENGTH = 64

// Functions use the same few names over and over; the bound is for those that make names up.
const knownNames = new Map<string, string>()

/** `name` in lower case, or undefined when it is no token (RFC 9110, section 5.6.2). */
export function lowerName(name: string): string | undefined {
  const known = knownNames.get(name)
  if (known !== undefined) return known
  if (!TOKEN.test(name)) return undefined
  const lower = name.toLowerCase()
  if (name.length <= MAX_KNOWN_LENGTH && knownNames.size < MAX_KNOWN_NAMES) {
    knownNames.set(ownText(name), lower)
  }
  return lower
}

/** Whether `value` can be sent as it is: RFC 9110, section 5.5, without space at either end. */
export function isFieldValue(value: string): boolean {
  const last = value.length - 1
  for (let at = 0; at <= last; at++) {
    const code = value.charCodeAt(at)
    if (code > 0x20 && code < 0x7f) continue
    if (code > 0xff || code === 0x7f) return false
    if (code < 0x20 && code !== 0x09) return false
    if (code <= 0x20 && (at === 0 || at === last)) return false
  }
  return true
}

function isName(name: string, lower: string): boolean {
  if (name.length !== lower.length) return false
  for (let at = 0; at < lower.length; at++) {
    const code = name.charCodeAt(at)
    // Only letters fold: `^` and `~` are tokens, and differ by the same bit as letters do.
    const folded = code >= 0x41 && code <= 0x5a ? code | 0x20 : code
    if (folded !== lower.charCodeAt(at)) return false
  }
  return true
}

/**
 * Value of the field `lower` (lower case) in a list of any case. Several are combined as Fetch
 * does: cookies with `; ` (RFC 9113, section 8.2.3), all others with `, `.
 */
export function findField(fields: FieldList, lower: string): string | undefined {
  let found: string | undefined
  for (let at = 0; at < fields.length; at += 2) {
    if (!isName(fields[at]!, lower)) continue
    const value = fields[at + 1]!
    found = found === undefined ? value : found + (lower === 'cookie' ? '; ' : ', ') + value
  }
  return found
}

/** Whether a list of lower-case names has the field `lower`. */
export function hasField(fields: FieldList, lower: string): boolean {
  for (let at = 0; at < fields.length; at += 2) {
    if (fields[at] === lower) return true
  }
  return false
}

/** Sets the field `lower` in a list of lower-case names, in place of all it has of that name. */
export function setField(fields: string[], lower: string, value: string): void {
  let set = false
  for (let at = 0; at < fields.length; at += 2) {
    if (fields[at] !== lower) continue
    if (set) {
      fields.splice(at, 2)
      at -= 2
    } else {
      fields[at + 1] = value
      set = true
    }
  }
  if (!set) fields.push(lower, value)
}

/**
 * Fields of a platform Headers, several Set-Cookie kept apart.
 *
 * @throws TypeError for a control character in a value: Fetch allows it, RFC 9110 does not.
 */
export function fieldsOf(headers: Headers): string[] {
  const fields: string[] = []
  for (const [name, value] of headers) {
    if (!isFieldValue(value)) throw new TypeError(`header ${name} has a control character`)
    fields.push(name, value)
  }
  return fields
}

const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Whether `lower` is about one connection and not about the message (RFC 9110, section 7.6.1). */
export function isConnectionField(lower: string): boolean {
  return CONNECTION_FIELDS.has(lower)
}

/** `fields` without those of the connection, those that `Connection` names, and those in `drop`. */
export function endToEndFields(fields: FieldList, drop: readonly string[]): string[] {
  const dropped = new Set([...drop, ...CONNECTION_FIELDS])
  for (const name of (findField(fields, 'connection') ?? '').split(',')) {
    dropped.add(name.trim().toLowerCase())
  }
  const kept: string[] = []
  for (let at = 0; at < fields.length; at += 2) {
    if (!dropped.has(fields[at]!)) kept.push(fields[at]!, fields[at + 1]!)
  }
  return kept
}
