import { FezzError } from '../errors.ts'

/** What is thrown away of a body that nobody reads, so that the connection can be kept. */
export const DISCARD_BYTES = 1_048_576

/** Whoever a listener gives a request's body to, part by part. */
export interface BodySink {
  chunk(chunk: Buffer): void
  end(): void
  fail(error: FezzError): void
}

/** The answer to a body over the limit, known from its Content-Length or found out while reading. */
export function tooLarge(maxBytes: number): FezzError {
  return new FezzError('PAYLOAD_TOO_LARGE', `The request body is larger than ${maxBytes} bytes`)
}

/** What reading a body fails with whose request is answered. */
export function requestOver(): FezzError {
  return new FezzError('CLIENT_CLOSED', 'The request is over, its body cannot be read')
}
