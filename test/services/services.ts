import type { BackgroundService } from './background-service.ts'
import { startConsul } from './consul.ts'
import { startEtcd } from './etcd.ts'
import { startPodman } from './podman.ts'

/** The services that a whole run can share, each by its name. */
const STARTS = {
  etcd: () => startEtcd(),
  consul: () => startConsul(),
  podman: () => startPodman(),
} as const satisfies Record<string, () => Promise<BackgroundService>>

export type ServiceName = keyof typeof STARTS

/** Services that are started when first asked for, once, and all ended together. */
export class Services implements AsyncDisposable {
  readonly #started = new Map<ServiceName, Promise<BackgroundService>>()

  /** @throws when it cannot be started; the next call tries again */
  get(name: ServiceName): Promise<BackgroundService> {
    let started = this.#started.get(name)
    if (started === undefined) {
      started = STARTS[name]()
      this.#started.set(name, started)
      started.catch(() => this.#started.delete(name))
    }
    return started
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const started = await Promise.allSettled(this.#started.values())
    this.#started.clear()
    await Promise.all(
      started.map(one => one.status === 'fulfilled' && one.value[Symbol.asyncDispose]()),
    )
  }
}

/** Whether there is a shared service of that name. */
export function isServiceName(name: string): name is ServiceName {
  return Object.hasOwn(STARTS, name)
}
