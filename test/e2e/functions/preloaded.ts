import { setTimeout } from 'node:timers/promises'
import type { LifecycleContext } from 'fezz'
import { FezzFunction } from 'fezz/decorators'

@FezzFunction('preloaded', '/preloaded', { preload: true })
export class Preloaded {
  async onLoad({ log }: LifecycleContext): Promise<void> {
    log.info('onLoad ran')
    // Nobody waits for it: a rejection that the host must live through although it only starts.
    void Promise.reject(new Error('a stray rejection while loading'))
    await setTimeout(10)
  }

  fetch(): Response {
    return new Response('preloaded')
  }
}
