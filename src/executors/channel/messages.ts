import type { ArtifactCode } from '../../function/contract.ts'
import type { Manifest } from '../../function/manifest.ts'
import type { RequestSource } from '../../http/web/source.ts'
import type { SentError } from './sent-error.ts'

/**
 * What the host and a runner tell each other. Every message survives structured cloning. Requests
 * have a number, given by the host and never used twice on one channel; whoever hears of a number
 * that is over ignores it.
 *
 * Bodies flow by credit: the receiver grants bytes, the sender sends until they are used up and then
 * waits. The existence of a response's body grants {@link INITIAL_CREDIT_BYTES}.
 */
export const INITIAL_CREDIT_BYTES = 65_536

/** Of one piece of a body. It may be sent whole as long as there is credit at all. */
export const MAX_CHUNK_BYTES = 65_536

/** A piece of a body costs its bytes and this, so that credit bounds the number of pieces too. */
export const CHUNK_COST_BYTES = 64

/** A line with longer fields is no line for a log. */
export const MAX_FIELDS_CHARS = 65_536

/** To the runner, once: what it is to run. Answered by `loaded` or `load-failed`. */
export interface LoadMessage {
  readonly type: 'load'
  readonly manifest: Manifest
  readonly code: ArtifactCode
  readonly env: Readonly<Record<string, string>>
  /** Those that the host's log writes. */
  readonly logLevels: readonly string[]
}

/** To the runner: a request, answered by `response` or `failed`. */
export interface RequestMessage extends Omit<RequestSource, 'body' | 'onAbort'> {
  readonly type: 'request'
  readonly id: number
  readonly params: Readonly<Record<string, string>>
  readonly requestId: string
  readonly traceparent: string | undefined
  /** `follows`: comes by itself, in one chunk. `on-demand`: comes once credit is granted. */
  readonly body: 'none' | 'follows' | 'on-demand'
  /** Of one that was aborted before it was sent. */
  readonly abortReason: SentError | undefined
}

/** To the runner: the request was aborted, or its client has left. */
interface AbortMessage {
  readonly type: 'abort'
  readonly id: number
  readonly reason: SentError
}

/** To the runner: nobody waits for anything of the request any more, nor gives anything for it. */
interface DropMessage {
  readonly type: 'drop'
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
  readonly body: null | string | Uint8Array<ArrayBuffer>
  /** The body follows as chunks; `length` is its size where that is known. */
  readonly stream?: { readonly length: string | undefined }
}

/** To the host: what `fetch` has thrown. */
interface FailedMessage {
  readonly type: 'failed'
  readonly id: number
  readonly error: SentError
}

/** Either way: a piece of the body of request (to the runner) or response (to the host) `id`. */
export interface ChunkMessage {
  readonly type: 'chunk'
  readonly id: number
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** Either way: that body has ended, or failed. */
export interface EndMessage {
  readonly type: 'end'
  readonly id: number
  readonly error?: SentError
}

/** Either way, from the receiver of a body: more may be sent. */
interface CreditMessage {
  readonly type: 'credit'
  readonly id: number
  readonly bytes: number
}

/** Either way, from the receiver of a body: nobody reads it any more. */
interface CancelMessage {
  readonly type: 'cancel'
  readonly id: number
}

/**
 * To the host: request `id`, which may be over, keeps the instance in use until `settled` has come
 * for `promise`. Each request counts its own.
 */
export interface WaitUntilMessage {
  readonly type: 'wait-until'
  readonly id: number
  readonly promise: number
}

/** To the host: a promise of `wait-until` has settled. */
export interface SettledMessage {
  readonly type: 'settled'
  readonly id: number
  readonly promise: number
  readonly error: SentError | undefined
}

/** To the host: a line that the function has logged through its context. */
export interface LogMessage {
  readonly type: 'log'
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  /** A JSON object of at most {@link MAX_FIELDS_CHARS}. */
  readonly fields: string
  readonly message: string | undefined
  /** The field `err`. */
  readonly error?: SentError
}

/** To the host: what no code of the function can catch any more. */
interface UncaughtMessage {
  readonly type: 'uncaught'
  readonly kind: 'exception' | 'rejection'
  readonly error: SentError
}

/** To the runner: are you there? Answered by `pong` as soon as its event loop turns. */
interface PingMessage {
  readonly type: 'ping'
}

/** To the runner: run onUnload. Answered by `unloaded`, with what that threw. */
interface UnloadMessage {
  readonly type: 'unload'
}

export type ToRunner =
  | LoadMessage
  | RequestMessage
  | AbortMessage
  | DropMessage
  | ChunkMessage
  | EndMessage
  | CreditMessage
  | CancelMessage
  | PingMessage
  | UnloadMessage

export type ToHost =
  | { readonly type: 'loaded' }
  | { readonly type: 'load-failed'; readonly error: SentError }
  | { readonly type: 'unloaded'; readonly error?: SentError }
  | { readonly type: 'pong' }
  | UncaughtMessage
  | ResponseMessage
  | FailedMessage
  | ChunkMessage
  | EndMessage
  | CreditMessage
  | CancelMessage
  | WaitUntilMessage
  | SettledMessage
  | LogMessage
