import { FezzError } from '../errors.ts'
import type { StoredCode } from '../function/contract.ts'
import type { Manifest } from '../function/manifest.ts'

/** A function with its checked manifest, ready to be deployed. */
export interface LoadedFunction {
  readonly manifest: Manifest
  readonly code: StoredCode
  /** What it came from, absolute: a source file, the folder of a program, a declaration. */
  readonly origin: string
}

/** What became of one thing that was found. */
export interface Outcome {
  /** As of its functions. */
  readonly origin: string
  /** Files that matter to it; also of a failed build. */
  readonly inputs: readonly string[]
  readonly functions: readonly LoadedFunction[]
  /** Rather than taken from the cache. */
  readonly built: boolean
  readonly error?: FezzError
}

/** An error of any kind as one of Fezz; it is about `file` where it does not say so itself. */
export function asFezzError(error: unknown, file: string): FezzError {
  if (error instanceof FezzError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new FezzError('BUILD_FAILED', `${file}: ${message}`, { cause: error })
}
