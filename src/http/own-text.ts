/**
 * `text` in memory of its own, for what is kept. To V8 a part of a longer string is a view of it, and
 * keeps the whole, such as the head of a request, alive for as long. Of the keys of a Map that is so
 * up to Node 24.
 *
 * @param text one character per byte
 */
export function ownText(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}
