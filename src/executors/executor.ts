import type { Deployment, Instance } from '../function/contract.ts'

/** Runs instances of deployments. One implementation per kind of isolation. */
export interface Executor extends AsyncDisposable {
  readonly kind: 'in-process' | 'thread' | 'process' | 'container' | 'remote'
  /**
   * Starts one instance and resolves when it is ready for its first request: `onLoad` has run.
   * Rejects with the function's own error; nothing is left behind then.
   */
  load(deployment: Deployment): Promise<Instance>
  /** Ends everything the executor started. Idempotent. */
  close(): Promise<void>
}
