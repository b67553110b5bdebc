import type { ArtifactCode } from '../../function/contract.ts'
import type { Manifest } from '../../function/manifest.ts'

/**
 * What the host and a runner tell each other. Every message survives structured cloning. Requests
 * have a number, given by the host and never used twice on one channel; whoever hears of a number
 * that is over ignores it.
 *
 * Bodies flow by credit: the receiver grants bytes, the sender sends at most that many and then
 * waits. Credit of {@link INITIAL_CREDIT_BYTES} is granted by each body's existence.
 */
export const INITIAL_CREDIT_BYTES = 65_536

/** An error as it travels. */
export interface SentError {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  /** Of a FezzError. */
  readonly code?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: SentError
}

/** To the runner, once: what it is to run. Answered by `loaded` or `load-failed`. */
export interface LoadMessage {
  readonly type: 'load'
  readonly manifest: Manifest
  readonly code: ArtifactCode
  readonly env: Readonly<Record<string, string>>
}

/** To the runner: a request, answered by `response` or `failed`. */
export interface RequestMessage {
  readonly type: 'request'
  readonly id: number
  readonly method: string
  readonly scheme: 'http' | 'https'
  readonly authority: string
  readonly target: string
  readonly rawHeaders: readonly string[]
  readonly clientAddress: string
  readonly params: Readonly<Record<string, string>>
  readonly requestId: string
  readonly hasBody: boolean
}

/** To the runner: the request was aborted, or its client has left. */
export interface AbortMessage {
  readonly type: 'abort'
  readonly id: number
  readonly reason: SentError
}

/** To the host: the answer's head, and its body when that is whole. */
export interface ResponseMessage {
  readonly type: 'response'
  readonly id: number
  readonly status: number
  readonly statusText: string
  /** Name, value, name, value, ...; names in lower case. */
  readonly headers: readonly string[]
  readonly body: null | string | Uint8Array
  /** The body follows as chunks. */
  readonly isStream: boolean
}

/** To the host: what `fetch` has thrown. */
export interface FailedMessage {
  readonly type: 'failed'
  readonly id: number
  readonly error: SentError
}

/** Either way: a piece of the body of request (to the runner) or response (to the host) `id`. */
export interface ChunkMessage {
  readonly type: 'chunk'
  readonly id: number
  readonly bytes: Uint8Array
}

/** Either way: that body has ended, or failed. */
export interface EndMessage {
  readonly type: 'end'
  readonly id: number
  readonly error?: SentError
}

/** Either way, from the receiver of a body: more may be sent. */
export interface CreditMessage {
  readonly type: 'credit'
  readonly id: number
  readonly bytes: number
}

/** Either way, from the receiver of a body: nobody reads it any more. */
export interface CancelMessage {
  readonly type: 'cancel'
  readonly id: number
}

/** To the host: request `id` keeps the instance in use until `settled` has come for `promise`. */
export interface WaitUntilMessage {
  readonly type: 'wait-until'
  readonly id: number
  readonly promise: number
}

export interface SettledMessage {
  readonly type: 'settled'
  readonly promise: number
  readonly error?: SentError
}

/** To the host: a line that the function has logged through its context. */
export interface LogMessage {
  readonly type: 'log'
  readonly level: string
  readonly fields: object
  readonly message: string
}

/** To the runner: are you there? Answered by `pong` as soon as its event loop turns. */
export interface PingMessage {
  readonly type: 'ping'
  readonly number: number
}

export interface PongMessage {
  readonly type: 'pong'
  readonly number: number
}

/** To the runner: run onUnload. Answered by `unloaded`, with what that threw; then it ends. */
export interface UnloadMessage {
  readonly type: 'unload'
}

export type ToRunner =
  | LoadMessage
  | RequestMessage
  | AbortMessage
  | ChunkMessage
  | EndMessage
  | CreditMessage
  | CancelMessage
  | PingMessage
  | UnloadMessage

export type ToHost =
  | { readonly type: 'ready' }
  | { readonly type: 'loaded' }
  | { readonly type: 'load-failed'; readonly error: SentError }
  | { readonly type: 'unloaded'; readonly error?: SentError }
  | {
      readonly type: 'uncaught'
      readonly kind: 'exception' | 'rejection'
      readonly error: SentError
    }
  | ResponseMessage
  | FailedMessage
  | ChunkMessage
  | EndMessage
  | CreditMessage
  | CancelMessage
  | WaitUntilMessage
  | SettledMessage
  | LogMessage
  | PongMessage
