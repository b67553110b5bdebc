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
export interface LiveCode {
  readonly kind: 'live'
  readonly value: unknown
  /** Whose Request it gets: the platform's, or the host's own. */
  readonly webTypes: 'platform' | 'fezz'
}

/** How a program takes its requests; docs/executors.md describes both. */
export type ProgramProtocol = 'http' | 'bootstrap'

/** A program in a folder, started by a command: any language. */
export interface ProgramCode {
  readonly kind: 'program'
  /** Hex sha256 over its files and how it is started: two with the same are the same. */
  readonly sha256: string
  /** Absolute; what the command runs in. Never written to by an instance. */
  readonly folder: string
  /** Program and arguments; a relative program is looked up in `folder`, a bare name in PATH. */
  readonly command: readonly string[]
  /** `http`: serves on `PORT` or `FEZZ_SOCKET`; `bootstrap`: one run for each invocation. */
  readonly protocol: ProgramProtocol
  /** Variables that its runtime needs, below those of the function. */
  readonly env: Readonly<Record<string, string>>
  /** Folders beside `folder` that it reads, such as its runtime's; absolute. */
  readonly reads: readonly string[]
  /** Image that has what the command needs, for the container executor; absent: none is known. */
  readonly image?: string
}

/** A container image with an HTTP server in it. */
export interface ImageCode {
  readonly kind: 'image'
  /** Reference such as `registry.example.com/team/app:1.2`. */
  readonly image: string
  /** In place of the image's own. */
  readonly command?: readonly string[]
}

/** Code that can be told to another process or host. */
export type StoredCode = ArtifactCode | ProgramCode | ImageCode

/** Where a deployment's code is. */
export type Code = StoredCode | LiveCode

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
  /** Settles when the instance dies on its own, never after {@link unload}; never for an in-process one. */
  readonly exited: Promise<InstanceExit>
}
