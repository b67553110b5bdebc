import type { FunctionContext } from '../../../../src/function/contract.ts'
import { digestOf, patternBytes, patternStream } from '../pattern.ts'
import { Journalled, journal } from './journalled.ts'

const CHUNK_BYTES = 65_536

/** Reads the request's body in the way that the path names. */
export class Mirror extends Journalled {
  async fetch(request: Request): Promise<Response> {
    switch (new URL(request.url).pathname) {
      case '/stream':
        return new Response(request.body)
      case '/whole':
        return new Response(await request.arrayBuffer())
      case '/digest':
        return Response.json(await digestOf(request.body))
      case '/capitals':
        return new Response(request.body?.pipeThrough(capitals()) ?? null)
      case '/half': {
        const reader = (request.body as ReadableStream<Uint8Array>).getReader()
        const { value } = await reader.read()
        await reader.cancel('enough')
        return Response.json(value !== undefined && value.byteLength > 0)
      }
      case '/failing':
        return Response.json(await failureOf(request.text()))
      case '/failing-stream':
        return Response.json(await failureOf(digestOf(request.body)))
      case '/careless':
        return new Response(await request.text())
      default:
        return new Response('unread')
    }
  }
}

/** Makes bodies, and says how much of them was asked for. */
export class Producer extends Journalled {
  #enqueued = 0
  #received = 0
  #release = () => {}
  readonly #released = new Promise<void>(resolve => {
    this.#release = resolve
  })

  fetch(request: Request, context: FunctionContext): Response {
    const { pathname, searchParams } = new URL(request.url)
    const size = Number(searchParams.get('bytes'))
    switch (pathname) {
      case '/whole':
        return new Response(patternBytes(size))
      case '/text':
        return new Response('ü'.repeat(size / 2))
      case '/stream':
        return new Response(patternStream(size))
      case '/endless':
        return new Response(this.#endless(context))
      case '/enqueued':
        return Response.json(this.#enqueued)
      case '/broken':
        return new Response(broken())
      case '/slow-reader':
        return new Response(this.#readSlowly(request.body as ReadableStream<Uint8Array>))
      case '/received':
        return Response.json(this.#received)
      default:
        this.#release()
        return new Response('released')
    }
  }

  /** Goes on until its reader leaves. */
  #endless(context: FunctionContext): ReadableStream<Uint8Array> {
    return new ReadableStream({
      pull: controller => {
        this.#enqueued += CHUNK_BYTES
        controller.enqueue(new Uint8Array(CHUNK_BYTES).fill(65))
      },
      cancel: () => journal(context, 'cancelled'),
    })
  }

  /** Reads one chunk, and the others when it is released; then says how many bytes there were. */
  #readSlowly(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    const run = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
      for await (const chunk of body) {
        if (this.#received === 0) controller.enqueue(Buffer.from('begun '))
        this.#received += chunk.byteLength
        await this.#released
      }
      controller.enqueue(Buffer.from(String(this.#received)))
      controller.close()
    }
    return new ReadableStream({ start: controller => void run(controller) })
  }
}

function capitals(): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream({
    transform(chunk, controller) {
      controller.enqueue(Buffer.from(Buffer.from(chunk).toString().toUpperCase()))
    },
  })
}

function broken(): ReadableStream<Uint8Array> {
  let chunks = 0
  return new ReadableStream({
    pull(controller) {
      if (++chunks === 3) throw new Error('broken half-way')
      controller.enqueue(Buffer.from('chunk'))
    },
  })
}

async function failureOf(reading: Promise<unknown>) {
  try {
    await reading
    return 'no failure'
  } catch (error) {
    const { name, message, code } = error as Error & { readonly code?: string }
    return { name, message, code }
  }
}
