import type { Clock } from '../../clock.ts'
import type { InstanceExit } from '../../function/contract.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Channel } from '../channel/channel.ts'
import type { ToHost, ToRunner } from '../channel/messages.ts'
import type { RunnerHandle } from '../channel/runner-handle.ts'
import type { FunctionContainer } from './function-container.ts'

/** What a runner gets to end by itself once its channel is closed: sooner done than a kill. */
const LEAVE_MS = 250

/** A runner in a container. */
export class ContainerRunner implements RunnerHandle {
  readonly channel: Channel<ToRunner, ToHost>
  readonly ended: Promise<InstanceExit>
  readonly #container: FunctionContainer
  readonly #functionId: string
  readonly #log: Logger
  readonly #clock: Clock

  constructor(
    container: FunctionContainer,
    channel: Channel<ToRunner, ToHost>,
    functionId: string,
    log: Logger,
    clock: Clock,
  ) {
    this.channel = channel
    this.ended = container.ended
    this.#container = container
    this.#functionId = functionId
    this.#log = log
    this.#clock = clock
  }

  async kill(): Promise<void> {
    this.channel.close()
    const late = Promise.withResolvers<void>()
    const timer = this.#clock.setTimer(late.resolve, LEAVE_MS)
    await Promise.race([this.ended, late.promise])
    timer.cancel()
    try {
      await this.#container.kill()
    } catch (err) {
      // It is removed next, or when the engine is back.
      this.#log.warn({ functionId: this.#functionId, err }, 'a container lives on')
    }
    await this.ended
  }
}
