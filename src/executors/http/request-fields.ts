import type { FunctionContext } from '../../function/contract.ts'
import { findField, isConnectionField, lowerName } from '../../http/web/fields.ts'
import type { RequestSource } from '../../http/web/source.ts'

/**
 * Fields that a program believes, and that only the host can vouch for; `Expect`, which the host has
 * answered; and `Proxy`, which CGI makes the variable HTTP_PROXY (https://httpoxy.org).
 */
const OWN: ReadonlySet<string> = new Set([
  'expect',
  'forwarded',
  'host',
  'proxy',
  'x-fezz-params',
  'x-real-ip',
  'x-request-id',
])
const FORWARDED = 'x-forwarded-'

/**
 * The fields of a request as a program behind the host gets them: those from end to end as they
 * came, in their order, and what the host knows:
 *
 * - `host` and `x-forwarded-host`: the authority that the request was for
 * - `x-forwarded-proto`, and `x-forwarded-for` with the one address of the client
 * - `x-request-id`
 * - `x-fezz-params`: the route's captures as a JSON object in ASCII, when there are any
 */
export function requestFields(source: RequestSource, context: FunctionContext): string[] {
  const { rawHeaders, authority, scheme, clientAddress } = source
  const fields = ['host', authority]
  const named = namedByConnection(rawHeaders)
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!
    const lower = lowerName(name)
    if (lower === undefined || isOwn(lower) || isConnectionField(lower)) continue
    if (named?.includes(lower)) continue
    fields.push(name, rawHeaders[at + 1]!)
  }
  if (clientAddress !== '') fields.push('x-forwarded-for', clientAddress)
  fields.push('x-forwarded-proto', scheme, 'x-forwarded-host', authority)
  fields.push('x-request-id', context.requestId)
  const { params } = context
  for (const _ in params) {
    fields.push('x-fezz-params', asciiJson(params))
    break
  }
  return fields
}

/** Also with `_` for `-`: to WSGI, PHP and CGI both are the same name. */
function isOwn(lower: string): boolean {
  const name = lower.includes('_') ? lower.replaceAll('_', '-') : lower
  return OWN.has(name) || name.startsWith(FORWARDED)
}

/** What `Connection` names beside the usual (RFC 9110, section 7.6.1). */
function namedByConnection(rawHeaders: readonly string[]): readonly string[] | undefined {
  const value = findField(rawHeaders, 'connection')?.toLowerCase()
  if (value === undefined || value === 'keep-alive' || value === 'close') return undefined
  return value.split(',').map(name => name.trim())
}

/** A header's value has no letters beyond Latin-1. */
function asciiJson(value: object): string {
  return JSON.stringify(value).replaceAll(
    /[\u007f-\uffff]/g,
    letter => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
