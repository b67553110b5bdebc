import { FezzError } from '../../errors.ts'
import { findField } from '../../http/web/fields.ts'
import type { BodySource, RequestSource } from '../../http/web/source.ts'

/** Up to this size a body is read whole before it is passed on. */
export const WHOLE_BYTES = 65_536

type RequestBody = Uint8Array | AsyncIterable<Uint8Array> | null

/**
 * The body of a request for passing it on: in memory when it is known to be small, which spares a
 * stream; a promise only then.
 *
 * @throws FezzError as {@link BodySource.bytes} does
 */
export function requestBody({
  body,
  rawHeaders,
}: RequestSource): RequestBody | Promise<RequestBody> {
  if (body === null) return null
  const length = findField(rawHeaders, 'content-length')
  const isSmall = length !== undefined && Number(length) <= WHOLE_BYTES
  return isSmall ? body.bytes() : chunksOf(body)
}

async function* chunksOf(body: BodySource): AsyncGenerator<Uint8Array> {
  try {
    yield* body.stream()
  } catch (cause) {
    if (cause instanceof FezzError) throw cause
    throw new FezzError('CLIENT_CLOSED', 'The request body broke off', { cause })
  }
}
