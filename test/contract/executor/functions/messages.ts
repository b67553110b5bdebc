import type { FunctionContext } from '../../../../src/function/contract.ts'
import { Journalled } from './journalled.ts'

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
        headers: [...request.headers],
        body: await request.text(),
        functionId: context.functionId,
        version: context.version,
        greeting: context.env['GREETING'],
        isEnvFrozen: Object.isFrozen(context.env),
        params: context.params,
        requestId: context.requestId,
        traceparent: context.traceparent ?? null,
        clientAddress: context.clientAddress,
      },
      {
        status: 201,
        headers: [
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2; Path=/, odd'],
        ],
      },
    )
  }
}

/** Answers in the way that the path names. */
export class Answers extends Journalled {
  async fetch(request: Request): Promise<Response> {
    // Code made by Function sees the platform's classes, whatever a host has put in their place.
    const PlatformResponse = Function('return Response')() as typeof Response
    switch (new URL(request.url).pathname) {
      case '/204':
        return new Response(null, { status: 204, headers: { 'x-name': 'kept' } })
      case '/304':
        return new Response(null, { status: 304, headers: { etag: '"one"' } })
      case '/empty':
        return new Response('')
      case '/status':
        return new Response('teapot', { status: 418, statusText: "I'm a Teapot" })
      case '/values':
        return new Response('', {
          headers: [
            ['x-latin', 'caf\u00e9 \u00ff'],
            ['x-tab', 'a\tb'],
            ['x-empty', ''],
            ['x-twice', 'one'],
            ['x-twice', 'two'],
          ],
        })
      case '/platform':
        return new PlatformResponse('of the platform', { headers: { 'x-name': 'platform' } })
      case '/fetched':
        return fetch('data:text/plain,fetched')
      case '/cloned':
        return new Response('cloned').clone()
      case '/nothing':
        return undefined as unknown as Response
      default:
        return new Response('fine')
    }
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

/** Fails in the way that the path names. */
export class Faulty extends Journalled {
  fetch(request: Request): Response | Promise<Response> {
    switch (new URL(request.url).pathname) {
      case '/throw':
        throw new TypeError('thrown in fetch')
      case '/reject':
        return Promise.reject(new RangeError('rejected in fetch'))
      case '/text':
        return Promise.reject('rejected with text')
      case '/undefined':
        return Promise.reject(undefined)
      case '/symbol':
        return Promise.reject(Symbol('rejected'))
      case '/hostile':
        return Promise.reject(hostileError())
      case '/circular': {
        const error = new Error('its own cause')
        error.cause = error
        return Promise.reject(error)
      }
      default:
        return new Response('fine')
    }
  }
}

/** An error that does not let itself be read. */
function hostileError(): Error {
  const refuse = {
    get(): never {
      throw new Error('do not look')
    },
  }
  return Object.defineProperties(new Error('hostile'), {
    name: refuse,
    message: refuse,
    stack: refuse,
    cause: refuse,
  })
}
