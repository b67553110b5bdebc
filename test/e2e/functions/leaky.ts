import { createServer } from 'node:net'
import { FezzFunction } from 'fezz/decorators'

/** Opens what it never closes. */
@FezzFunction('leaky', '/leaky')
export class Leaky {
  onLoad(): Promise<void> {
    return new Promise(resolve => createServer().listen(0, '127.0.0.1', resolve))
  }

  fetch(): Response {
    return new Response('leaky')
  }
}
