/** What a parser has made of the bytes of one connection. */
export interface Reading {
  readonly messages: readonly Message[]
  /** Why it reads no further. */
  readonly error: ReadingError | undefined
}

export interface Message {
  readonly method: string
  readonly target: string
  /** `1.1`. */
  readonly version: string
  readonly rawHeaders: readonly string[]
  /** As much of it as came. */
  readonly body: Buffer
  readonly isComplete: boolean
}

export interface ReadingError {
  readonly code: string
  readonly message: string
}
