import { FezzError } from '../errors.ts'

/** What a start fails with when the file in PEM that a setting names cannot be read. */
export function unreadablePem(setting: string, file: string, cause: unknown): FezzError {
  const { code } = cause as NodeJS.ErrnoException
  return new FezzError(
    'INVALID_CONFIG',
    `setting "${setting}": ${file} cannot be read (${code}); name a file in PEM format`,
    { cause },
  )
}
