import type { Deployment, Instance } from '../function/contract.ts'
import type { ExecutorKind } from '../function/execution.ts'

/** Where instances come from. */
export interface InstanceSource extends AsyncDisposable {
  /**
   * Says that `deployment` may be loaded soon, so that what takes long can begin: a pull, a pool.
   * Returns at once; what goes wrong shows when it is loaded.
   */
  prepare(deployment: Deployment): void
  /**
   * Starts one instance and resolves when it is ready for its first request: `onLoad` has run.
   * Rejects with the function's own error; nothing is left behind then.
   */
  load(deployment: Deployment): Promise<Instance>
  /**
   * Says that `deployment` will not be loaded again: what was kept to make its next load fast goes.
   * Its instances have been unloaded before. Idempotent, and harmless for one that was never loaded.
   */
  forget(deployment: Deployment): Promise<void>
  /** Ends everything it has started. Idempotent. */
  close(): Promise<void>
}

/** Runs instances of deployments. One implementation per kind of isolation. */
export interface Executor extends InstanceSource {
  readonly kind: ExecutorKind | 'remote'
}
