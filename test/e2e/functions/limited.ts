import type { FunctionContext } from 'fezz'
import { FezzFunction } from 'fezz/decorators'
import { pass } from './gates.ts'

@FezzFunction('late', '/late', { timeout: '100ms' })
export class Late {
  fetch(_request: Request, { signal, log }: FunctionContext): Promise<Response> {
    signal.addEventListener('abort', () => log.info('told of the deadline'))
    return new Promise(() => {})
  }
}

@FezzFunction('single', '/single', { maxConcurrency: 1 })
export class Single {
  async fetch(_request: Request, { env, log }: FunctionContext): Promise<Response> {
    log.info('request arrived')
    await pass(env, 'single')
    return new Response('served')
  }
}
