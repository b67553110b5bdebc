import type { ProgramProtocol } from './contract.ts'

/** Where an instance may run; docs/executors.md says what each costs and contains. */
export const EXECUTOR_KINDS = ['in-process', 'thread', 'process', 'container'] as const
export type ExecutorKind = (typeof EXECUTOR_KINDS)[number]

/** How a program takes its requests. */
export const PROGRAM_PROTOCOLS = ['http', 'bootstrap'] as const satisfies readonly ProgramProtocol[]

/** What becomes of a container that nothing uses. */
export const SLEEPS = ['pause', 'stop'] as const
export type Sleep = (typeof SLEEPS)[number]

/** What a process sees of the machine. */
export const SANDBOXES = ['none', 'namespaces'] as const
type Sandbox = (typeof SANDBOXES)[number]

/**
 * How and within which limits a function runs, checked. What is absent was not declared: the host's
 * settings and the executor decide.
 */
export interface Execution {
  readonly executor?: ExecutorKind
  /** Folder of `runtimes/` that makes a program of the sources; absent: told by their files. */
  readonly runtime?: string
  readonly image?: string
  readonly command?: readonly string[]
  readonly protocol?: ProgramProtocol
  /** Port of the HTTP server inside; containers: 80 by default. */
  readonly handlerPort?: number
  /** Instances when it is loaded. */
  readonly instances?: number
  /** Instances kept also when nobody asks. */
  readonly minInstances?: number
  /** Instances under load. */
  readonly maxInstances?: number
  /** Requests at once in one instance before another is started. */
  readonly instanceConcurrency?: number
  /** Requests per second on this host. */
  readonly rateLimit?: number
  /** Of one instance. */
  readonly memoryBytes?: number
  /** Cores of one instance, such as 0.5. */
  readonly cpus?: number
  /** Processor time of one process in its whole life. */
  readonly cpuTimeMs?: number
  /** Processes and threads of one instance. */
  readonly pids?: number
  /** Open files of one process. */
  readonly openFiles?: number
  /** Of one response's body. */
  readonly maxOutputBytes?: number
  /** User, or user:group, by name or number. */
  readonly user?: string
  /** Whether it may use the network. */
  readonly network?: boolean
  readonly sandbox?: Sandbox
  /** Whether a container's root file system is read-only. */
  readonly readOnly?: boolean
  /** Linux capabilities that a container keeps; all others are dropped. */
  readonly capabilities?: readonly string[]
  readonly sleep?: Sleep
  readonly healthCheckIntervalMs?: number
  /** Path that is asked instead of the port alone. */
  readonly healthCheckPath?: string
}

/** {@link Execution} as people write it. */
export interface ExecutionInput {
  /** Default: the host's `executor`; `process` for a program, `container` for an image. */
  executor?: ExecutorKind
  /** A folder of `runtimes/`: `node`, `python`, `go`. Default: told by the files. */
  runtime?: string
  /** Container image; there is no other code then. */
  image?: string
  /** Program and arguments, in place of the runtime's or the image's. */
  command?: string | readonly string[]
  /** Default `http`: serves on `PORT` or `FEZZ_SOCKET`. `bootstrap`: one run for each invocation. */
  protocol?: ProgramProtocol
  /** Port of the HTTP server inside. Default for images: 80. */
  handlerPort?: number
  /** Instances once it is loaded. Default 1. */
  instances?: number
  /** Instances kept also when nobody asks. Default 0. */
  minInstances?: number
  /** Instances under load. Default: `instances`. */
  maxInstances?: number
  /** Requests at once in one instance before another is started. Default 10. */
  instanceConcurrency?: number
  /** Requests per second on each host, more get 429. Default: no bound. */
  rateLimit?: number
  /** Of one instance, such as `"128MiB"`. Default: the host's `functionMemory`. */
  memory?: number | string
  /** Cores of one instance, such as 0.5. Default: no bound. */
  cpus?: number
  /** Processor time of one process in its whole life. Default: no bound. */
  cpuTime?: number | string
  /** Processes and threads of one instance. Default 256. */
  pids?: number
  /** Open files of one process. Default 1,024. */
  openFiles?: number
  /** Of one response's body. Default: no bound. */
  maxOutput?: number | string
  /** User, or user:group, by name or number. Default: the host's own; the image's. */
  user?: string | number
  /** Default true. */
  network?: boolean
  /** `namespaces` hides other processes and all files but its own. Default `none`. */
  sandbox?: Sandbox
  /** Makes a container's root file system read-only. Default false. */
  readOnly?: boolean
  /** Linux capabilities that a container keeps. Default: none. */
  capabilities?: readonly string[]
  /** What becomes of an idle container. Default `stop`. */
  sleep?: Sleep
  /** Default 10 (seconds). */
  healthCheckInterval?: number | string
  /** Default: the port is tried alone. */
  healthCheckPath?: string
}
