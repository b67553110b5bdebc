import type { ProcessUser } from './user.ts'

/** What a process sees of the machine. */
export interface SandboxPlan {
  /** Absolute paths that it may read, beside the system's own. */
  readonly reads: readonly string[]
  /** The folder that it may write to. */
  readonly home: string
  /** Becomes its /tmp; within {@link home}. */
  readonly temporary: string
  readonly cwd: string
  readonly network: boolean
  /** Whom it runs as. */
  readonly user: ProcessUser
}
