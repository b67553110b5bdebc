/**
 * Without a body, `content-length` is whatever the function said, once or more. That is right for HEAD
 * and 304 only (RFC 9110, section 8.6), and only if it is a length: the client takes its end from it.
 *
 * @param headers names in lower case and values; made right in place
 */
export function frameEmptyBody(status: number, headers: string[], isHead: boolean): void {
  const lengths = new Set<string>()
  for (let at = headers.length - 2; at >= 0; at -= 2) {
    if (headers[at] === 'content-length') lengths.add(headers.splice(at, 2)[1]!)
  }
  if (isHead || status === 304) {
    const [length = ''] = lengths
    if (lengths.size === 1 && /^\d+$/.test(length)) headers.push('content-length', length)
  } else if (status !== 204) {
    headers.push('content-length', '0')
  }
}
