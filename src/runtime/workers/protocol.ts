import type { FezzErrorCode } from '../../errors.ts'
import type { FamilySnapshot } from '../../telemetry/totals.ts'
import type { HostStatus } from '../system-endpoints.ts'

// What supervisor and workers say to each other over the channel between them, as JSON.

/** From a worker. */
export type WorkerMessage =
  /** It listens and serves. */
  | { readonly kind: 'ready' }
  /** It cannot start, nor could another one with the same settings. */
  | { readonly kind: 'failed'; readonly code: FezzErrorCode; readonly message: string }
  /** Wants to know what all have counted. */
  | { readonly kind: 'ask'; readonly id: number; readonly form: 'exposition' | 'status' }
  /** Part of its answer to `report`. */
  | { readonly kind: 'families'; readonly families: readonly FamilySnapshot[] }
  /** The end of its answer. The last report comes by itself, before the worker ends. */
  | { readonly kind: 'reported'; readonly status: HostStatus }

/** From the supervisor. */
export type SupervisorMessage =
  /** Tell what you have counted. One answer serves several questions. */
  | { readonly kind: 'report' }
  /** Part of the answer to `ask`: text of the exposition. */
  | { readonly kind: 'text'; readonly id: number; readonly text: string }
  /** The end of that answer. */
  | { readonly kind: 'exposition'; readonly id: number; readonly contentType: string }
  | { readonly kind: 'status'; readonly id: number; readonly status: HostStatus }
  /** Finish what you have, and end. */
  | { readonly kind: 'drain'; readonly isReplaced: boolean }

/** The descriptor on which a watchdog tells what it has found, as one JSON object; 3 is the channel. */
export const REPORT_FD = 4

/** What a function in an artifact is called, and where its source is. */
export interface WatchedFunction {
  readonly functionId: string
  /** Folder of the artifact. */
  readonly folder: string
  /** The source file that was bundled. */
  readonly entry: string
}

/** What a watchdog has found before it ended its process. */
export interface StuckReport {
  /** How long there had been no progress, at least. */
  readonly stuckMs: number
  /**
   * Where the main thread was, in the form of `Error.stack` without its first line. Empty: in a call
   * that does not come back to JavaScript.
   */
  readonly stack: string
  /** The functions that have the artifacts of the stack, that of the innermost frame first. */
  readonly functions: readonly WatchedFunction[]
}

/** What the watchdog's thread starts with. */
export interface WatchdogData {
  /** One Int32 that grows with each progress that the main thread notes. */
  readonly beat: SharedArrayBuffer
  readonly stuckTimeoutMs: number
}
