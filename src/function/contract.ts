import type { Logger } from '../telemetry/logger.ts'
import type { Manifest } from './manifest.ts'

/** What `onLoad` and `onUnload` receive. */
export interface LifecycleContext {
  /** The manifest's `id`. */
  readonly functionId: string
  /** The manifest's `version`. */
  readonly version: string
  /** Host-wide variables overlaid with the manifest's own; frozen. */
  readonly env: Readonly<Record<string, string>>
  /** Logs with the function's id. */
  readonly log: Logger
}

/** What `fetch` receives beside the request. Also a Workers execution context. */
export interface FunctionContext extends LifecycleContext {
  /** Captures of the route: `:name` under its name, `*` under `'*'`; percent-decoded once. */
  readonly params: Readonly<Record<string, string>>
  /** The id echoed in `X-Request-Id`. */
  readonly requestId: string
  /** The caller's `traceparent` header (W3C Trace Context), when it is well-formed. */
  readonly traceparent: string | undefined
  /** Address of the client; behind a trusted proxy, the one the proxy names. */
  readonly clientAddress: string
  /** Aborts at the deadline or when the client leaves. Made on first read. */
  readonly signal: AbortSignal
  /** Keeps the instance in use until `promise` settles; a rejection is logged. */
  waitUntil(promise: PromiseLike<unknown>): void
  /** Accepted for Workers modules; there is no origin to pass to, so it changes nothing. */
  passThroughOnException(): void
}

/** The contract of a function as a class: one instance serves many requests at once. */
export interface FezzHandler {
  /** Runs once before the first request. A throw fails the load. */
  onLoad?(context: LifecycleContext): void | Promise<void>
  fetch(request: Request, context: FunctionContext): Response | Promise<Response>
  /** Runs once after the last request has ended. */
  onUnload?(context: LifecycleContext): void | Promise<void>
}

/** A built bundle: `folder` holds bundle.cjs, bundle.cjs.map and manifest.json. */
export interface ArtifactCode {
  readonly kind: 'artifact'
  /** Hex sha256 of bundle.cjs. */
  readonly sha256: string
  readonly folder: string
  /** Name of the export that is the function. */
  readonly exportName: string
  /** Source file, for module resolution of what the bundle left external. */
  readonly entry: string
  /** Where bundle.cjs can be fetched when the folder lacks it; absent: from the artifact store. */
  readonly url?: string
}

/** A value of the embedding program: a class, a Workers module, a plain function. */
interface LiveCode {
  readonly kind: 'live'
  readonly value: unknown
  /** Whose Request it gets: the platform's, or the host's own. */
  readonly webTypes: 'platform' | 'fezz'
}

/** Where a deployment's code is. */
export type Code = ArtifactCode | LiveCode

/** All that is needed to run one version of one function. */
export interface Deployment {
  readonly manifest: Manifest
  readonly code: Code
  /** Host-wide variables overlaid with the manifest's. */
  readonly env: Readonly<Record<string, string>>
}

/** How an instance ended on its own. */
export interface InstanceExit {
  readonly reason: 'crash' | 'out-of-memory' | 'killed'
  readonly cause?: unknown
}

/** One loaded copy of a function: `onLoad` has run, `onUnload` has not. */
export interface Instance {
  /** May answer synchronously; may throw. */
  fetch(request: Request, context: FunctionContext): Response | Promise<Response>
  /** Runs `onUnload`, then releases everything the instance held. Idempotent. */
  unload(): Promise<void>
  /** Settles when the instance dies on its own; never for an in-process one. */
  readonly exited: Promise<InstanceExit>
}
