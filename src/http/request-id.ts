import { randomBytes } from 'node:crypto'

/** What an `X-Request-Id` from outside may look like: printable, short, safe in a log and a header. */
const SANE = /^[\w.:;,+/=@-]{1,128}$/

/**
 * Makes a source of request ids: unique on this machine by a random prefix for the process, in
 * order of arrival by a counter behind it.
 */
export function requestIds(): (received: string | undefined) => string {
  const prefix = `${randomBytes(6).toString('base64url')}-`
  let count = 0
  return received => {
    if (received !== undefined && SANE.test(received)) return received
    count++
    return prefix + count.toString(36)
  }
}
