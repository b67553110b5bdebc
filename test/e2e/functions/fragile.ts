import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { LifecycleContext } from 'fezz'
import { FezzFunction } from 'fezz/decorators'

/** Loads only when the file `load` is in the folder that the variable GATES names. */
@FezzFunction('fragile', '/fragile')
export class Fragile {
  onLoad({ env }: LifecycleContext): void {
    if (existsSync(join(env['GATES'] as string, 'load'))) return
    throw new Error('the secret database is down')
  }

  fetch(): Response {
    return new Response('recovered')
  }
}
