import type { LifecycleContext } from '../../../../src/function/contract.ts'
import { Journalled } from './journalled.ts'

const MIB = 2 ** 20
/** More than any test grants, and little enough for a machine on which nothing stops it. */
const HOARD_BYTES = 1_024 * MIB

/** Ends, or should, in the way that the path names. */
export class Mortal extends Journalled {
  async fetch(request: Request): Promise<Response> {
    switch (new URL(request.url).pathname) {
      case '/exit':
        return process.exit(3)
      case '/exit-soon':
        setTimeout(() => process.exit(3), 10)
        return new Response('soon')
      case '/abort':
        return process.abort()
      case '/pid':
        return Response.json(process.pid)
      case '/rejection':
        void Promise.reject(new RangeError('a rejection that nobody handles'))
        return new Response('alive')
      case '/exception':
        setImmediate(() => {
          throw new RangeError('an exception that nobody catches')
        })
        return new Response('alive')
      case '/heap':
        return Response.json(hoard(() => Array.from({ length: MIB / 8 }, Math.random)).length)
      case '/buffers':
        return Response.json(hoard(() => Buffer.alloc(MIB, 1)).length)
      case '/wait':
        return new Promise<never>(() => {})
      case '/stream':
        return new Response(
          new ReadableStream({ start: controller => controller.enqueue(Buffer.from('begun')) }),
        )
      default:
        return new Response('fine')
    }
  }
}

export class MortalLoad extends Journalled {
  override onLoad({ env }: LifecycleContext) {
    if (env['DIE'] === 'yes') process.exit(3)
  }

  fetch() {
    return new Response('fine')
  }
}

export class MortalUnload extends Journalled {
  override onUnload() {
    process.exit(3)
  }

  fetch() {
    return new Response('fine')
  }
}

/** Keeps its event loop from turning when asked for `/spin`. */
export class Spinning extends Journalled {
  fetch(request: Request) {
    if (new URL(request.url).pathname === '/spin') spin()
    return new Response('fine')
  }
}

export class SpinningLoad extends Journalled {
  override onLoad(context: LifecycleContext) {
    super.onLoad(context)
    spin()
  }

  fetch() {
    return new Response('never')
  }
}

function spin(): never {
  for (;;);
}

/** Holds what `make` makes, a MiB each. */
function hoard<T>(make: () => T): T[] {
  const held: T[] = []
  for (let bytes = 0; bytes < HOARD_BYTES; bytes += MIB) held.push(make())
  return held
}
