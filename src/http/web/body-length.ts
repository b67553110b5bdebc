// By stream and not by response: `new Response(response.body, init)` takes the stream alone.
const lengths = new WeakMap<ReadableStream, string>()

/** Notes how many bytes `stream` has, all of it unread. */
export function rememberLength(stream: ReadableStream, length: string): void {
  lengths.set(stream, length)
}

/** What {@link rememberLength} has noted of `stream`; true as long as nobody has read from it. */
export function rememberedLength(stream: ReadableStream): string | undefined {
  return lengths.get(stream)
}

/** Size in bytes of what a Response was made from; undefined when only reading it would tell. */
export function lengthOf(body: unknown): string | undefined {
  if (typeof body === 'string') return String(Buffer.byteLength(body))
  if (ArrayBuffer.isView(body) || body instanceof ArrayBuffer) return String(body.byteLength)
  if (body instanceof Blob) return String(body.size)
  if (body instanceof URLSearchParams) return String(Buffer.byteLength(body.toString()))
  return undefined
}
