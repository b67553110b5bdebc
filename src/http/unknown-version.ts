import { FezzError } from '../errors.ts'

/** The answer to any version of HTTP but 1.1 and 1.0. */
export function unknownVersion(): FezzError {
  return new FezzError(
    'HTTP_VERSION_NOT_SUPPORTED',
    'The only versions served are HTTP/1.1 and HTTP/1.0',
  )
}
