import { appendFileSync } from 'node:fs'
import type { FunctionContext, LifecycleContext } from '../../src/function/contract.ts'

/**
 * The functions that the executor contract runs. An executor may run them anywhere, so they tell
 * what happens to them through their responses and through the file that env.JOURNAL names.
 */
function journal({ env }: LifecycleContext, line: string): void {
  appendFileSync(env['JOURNAL'] as string, `${line}\n`)
}

class Journalled {
  onLoad(context: LifecycleContext) {
    journal(context, `load ${context.functionId} ${context.version}`)
  }

  onUnload(context: LifecycleContext) {
    journal(context, `unload ${context.functionId} ${context.version}`)
  }
}

/** Says what it was asked, and how often. */
export class Echo extends Journalled {
  #calls = 0

  async fetch(request: Request, context: FunctionContext) {
    this.#calls++
    return Response.json(
      {
        calls: this.#calls,
        method: request.method,
        url: request.url,
        header: request.headers.get('x-name'),
        body: await request.text(),
        functionId: context.functionId,
        version: context.version,
        greeting: context.env['GREETING'],
        params: context.params,
        requestId: context.requestId,
        traceparent: context.traceparent,
        clientAddress: context.clientAddress,
      },
      {
        status: 201,
        headers: [
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2'],
        ],
      },
    )
  }
}

/** Answers each chunk of the request in capitals as soon as it comes. */
export class Capitals extends Journalled {
  fetch(request: Request) {
    const capitals = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        controller.enqueue(Buffer.from(Buffer.from(chunk).toString().toUpperCase()))
      },
    })
    return new Response(request.body?.pipeThrough(capitals) ?? null)
  }
}

/** Streams until the reader leaves. */
export class Endless extends Journalled {
  fetch(_request: Request, context: FunctionContext) {
    return new Response(
      new ReadableStream({
        pull: controller => controller.enqueue(Buffer.from('tick\n')),
        cancel: () => journal(context, 'cancelled'),
      }),
    )
  }
}

/** Answers when as many requests wait as the query's `together` says. */
export class Gathering extends Journalled {
  #waiting: (() => void)[] = []

  async fetch(request: Request) {
    const together = Number(new URL(request.url).searchParams.get('together'))
    await new Promise<void>(resolve => {
      this.#waiting.push(resolve)
      if (this.#waiting.length === together) for (const go of this.#waiting) go()
    })
    return new Response('together')
  }
}

/** Fails in its own ways, as the path says. */
export class Faulty extends Journalled {
  fetch(request: Request): Response | Promise<Response> {
    const { pathname } = new URL(request.url)
    if (pathname === '/throw') throw new TypeError('thrown in fetch')
    if (pathname === '/reject') return Promise.reject(new RangeError('rejected in fetch'))
    return new Response('fine')
  }
}

export class FaultyConstructor extends Journalled {
  constructor() {
    super()
    throw new Error('thrown in the constructor')
  }

  fetch() {
    return new Response()
  }
}

export class FaultyLoad extends Journalled {
  override async onLoad(context: LifecycleContext) {
    super.onLoad(context)
    if (context.env['FAIL'] === 'yes') throw new Error('thrown in onLoad')
  }

  fetch() {
    return new Response('fine')
  }
}

export class FaultyUnload extends Journalled {
  fetch() {
    return new Response('fine')
  }

  override async onUnload(context: LifecycleContext) {
    super.onUnload(context)
    throw new Error('thrown in onUnload')
  }
}

/** Goes on after its response, until the signal aborts. */
export class Background extends Journalled {
  fetch(_request: Request, context: FunctionContext) {
    const aborted = new Promise<void>(resolve => {
      context.signal.addEventListener('abort', () => resolve())
    })
    context.waitUntil(aborted.then(() => journal(context, 'aborted')))
    return new Response('later')
  }
}
