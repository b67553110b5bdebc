import type { InstanceExit } from '../../function/contract.ts'
import type { Channel } from './channel.ts'
import type { ToHost, ToRunner } from './messages.ts'

/** A thread or process with a runner in it, as the host sees it. */
export interface RunnerHandle {
  readonly channel: Channel<ToRunner, ToHost>
  /** Settles when it is gone, whoever has ended it. Never rejects. */
  readonly ended: Promise<InstanceExit>
  /** Ends it now, whatever it does; resolves when it is gone. Idempotent. */
  kill(): Promise<void>
}
