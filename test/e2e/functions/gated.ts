import type { FunctionContext, LifecycleContext } from 'fezz'
import { FezzFunction } from 'fezz/decorators'
import { pass } from './gates.ts'

/** Stops at each step of its life until it is let through. */
@FezzFunction('gated', '/gated')
export class Gated {
  onLoad({ env }: LifecycleContext): Promise<void> {
    return pass(env, 'load')
  }

  async fetch(_request: Request, { env, log }: FunctionContext): Promise<Response> {
    log.info('request arrived')
    await pass(env, 'fetch')
    return new Response('answered')
  }

  onUnload({ env }: LifecycleContext): Promise<void> {
    return pass(env, 'unload')
  }
}
