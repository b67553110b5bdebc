import type { LifecycleContext } from 'fezz'
import { FezzFunction } from 'fezz/decorators'

@FezzFunction('quick', '/quick')
export class Quick {
  async onLoad({ log }: LifecycleContext): Promise<void> {
    log.info('onLoad ran')
    // Long enough that requests pile up behind it.
    await new Promise(resolve => setTimeout(resolve, 50))
  }

  fetch(): Response {
    return new Response('quick')
  }

  onUnload({ log }: LifecycleContext): void {
    log.info('onUnload ran')
  }
}
