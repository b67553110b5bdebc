import type { FunctionContext, LifecycleContext } from '../../../../src/function/contract.ts'
import { Journalled, journal } from './journalled.ts'

/** Waits for its request to be aborted, in the way that the path names. */
export class Waiting extends Journalled {
  #deaf = 0

  async fetch(request: Request, context: FunctionContext): Promise<Response> {
    switch (new URL(request.url).pathname) {
      case '/request':
        await abortOf(request.signal)
        journal(context, `request aborted: ${(request.signal.reason as Error).name}`)
        return new Response('aborted')
      case '/context':
        await abortOf(context.signal)
        journal(context, `context aborted: ${(context.signal.reason as Error).name}`)
        return new Response('aborted')
      case '/stream':
        void abortOf(request.signal).then(() => journal(context, 'stream aborted'))
        return new Response(
          new ReadableStream({ start: controller => controller.enqueue(Buffer.from('begun')) }),
        )
      case '/deaf':
        this.#deaf++
        return new Promise<never>(() => {})
      case '/count':
        return Response.json(this.#deaf)
      default:
        return Response.json(request.signal.aborted)
    }
  }
}

/** Goes on after its response, in the way that the path names. */
export class Background extends Journalled {
  fetch(request: Request, context: FunctionContext) {
    switch (new URL(request.url).pathname) {
      case '/aborted':
        context.waitUntil(abortOf(context.signal).then(() => journal(context, 'aborted')))
        break
      case '/rejected':
        context.waitUntil(Promise.reject(new RangeError('rejected in the background')))
        break
      case '/thenable':
        // biome-ignore lint/suspicious/noThenProperty: a PromiseLike that is no promise
        context.waitUntil({ then: resolve => Promise.resolve(1).then(resolve) as never })
        break
      case '/meanwhile':
        return new Response(laterFrom(() => context.waitUntil(Promise.resolve())))
      case '/afterwards':
        setTimeout(() => {
          context.waitUntil(Promise.resolve())
          journal(context, 'afterwards')
        }, 50)
        break
    }
    context.passThroughOnException()
    return new Response('later')
  }
}

/** Logs wherever it can. */
export class Talkative extends Journalled {
  override onLoad(context: LifecycleContext) {
    context.log.info({ hook: 'onLoad' }, 'from onLoad')
  }

  async fetch(request: Request, context: FunctionContext) {
    if (new URL(request.url).pathname === '/console') {
      console.log('printed with %s', 'console.log')
      console.error('printed with console.error')
      return new Response('printed')
    }
    context.log.warn({ colour: 'blue', nested: { deep: [1, 2] } }, 'with fields')
    context.log.info('without fields')
    context.log.child({ part: 'child' }).error({ err: new RangeError('logged') }, 'with an error')
    // Nothing that is logged may trouble who logs it.
    context.log.info({ big: 2n ** 70n, run() {}, symbol: Symbol('odd') }, 'with odd fields')
    return new Response('logged')
  }

  override onUnload(context: LifecycleContext) {
    context.log.info({ hook: 'onUnload' }, 'from onUnload')
  }
}

/** A body that does `work` after its beginning and before its end. */
function laterFrom(work: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(Buffer.from('la'))
      setTimeout(() => {
        work()
        controller.enqueue(Buffer.from('ter'))
        controller.close()
      }, 20)
    },
  })
}

function abortOf(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
