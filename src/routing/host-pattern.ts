import { domainToASCII } from 'node:url'
import { FezzError } from '../errors.ts'

/**
 * Checks a host pattern: a name (`api.example.com`), an address, or `*.` and a suffix, which stands
 * for one or more labels before it. No port: a route answers on every port.
 *
 * @param where who declares it, for the message, e.g. `function "hello"`
 * @returns it in lower case, an international name in its ASCII form (RFC 5890)
 * @throws FezzError `INVALID_MANIFEST`, quoting the host and saying what to do
 */
export function parseHost(host: string, where = 'route'): string {
  const refuse = (problem: string): never => {
    throw new FezzError(
      'INVALID_MANIFEST',
      `${where}: host ${JSON.stringify(host) ?? String(host)} ${problem}`,
    )
  }
  if (typeof host !== 'string') return refuse('is not a string')
  const isSuffix = host.startsWith('*.')
  const name = isSuffix ? host.slice(2) : host
  if (name.includes('*')) refuse('may have "*" only as its first label, as in "*.example.com"')
  const isAddress = /^\[[0-9A-Fa-f:.]+\]$/.test(name)
  if (!isAddress && /:\d*$/.test(name)) refuse('has a port; leave it out')
  const ascii = domainToASCII(name)
  // domainToASCII reads a URL's host: it would decode escapes and stop at a delimiter.
  if (ascii === '' || /[\s%/?#@\\]/.test(name) || (isSuffix && isAddress)) {
    refuse('is not a host name; write "api.example.com" or "*.example.com"')
  }
  if (!isAddress && ascii.split('.').includes('')) refuse('has an empty label')
  return isSuffix ? `*.${ascii}` : ascii
}

/** The host of an authority: `example.com:8080` is `example.com`, `[::1]:80` is `[::1]`. */
export function withoutPort(authority: string): string {
  const colon = authority.lastIndexOf(':')
  return colon === -1 || authority.endsWith(']') ? authority : authority.slice(0, colon)
}
