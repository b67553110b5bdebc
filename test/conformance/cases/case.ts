import type { FunctionContext } from '../../../src/function/contract.ts'

/** What the client sends; by default `GET /case/<name>` without a body. */
export interface Sent {
  readonly method?: string
  /** Appended to the path of the case as it is. */
  readonly rest?: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string | Uint8Array
}

type Handler<Result> = (request: Request, context: FunctionContext) => Result | Promise<Result>

/** One request, and what the module does with it. */
export interface Case {
  readonly sent: Sent
  readonly fetch: Handler<Response>
}

export type Cases = Readonly<Record<string, Case>>

/** A case that answers with what the handler returns. */
export function answers(fetch: Handler<unknown>, sent: Sent = {}): Case {
  return { sent, fetch: fetch as Handler<Response> }
}

/** A case that answers with the value that the handler returns, as JSON. */
export function tells(handler: Handler<unknown>, sent: Sent = {}): Case {
  return {
    sent,
    fetch: async (request, context) => Response.json(await handler(request, context)),
  }
}

/** A request with a body of text. */
export const TEXT: Sent = {
  method: 'POST',
  headers: { 'content-type': 'text/plain', 'x-name': 'Alice' },
  body: 'some text',
}

/** Name of the error that `run` ends with, or what it returns. */
export async function outcome(run: () => unknown): Promise<unknown> {
  try {
    return ['returned', await run()]
  } catch (error) {
    return ['threw', error instanceof Error ? error.name : typeof error]
  }
}

/** Stands for function code without types, for arguments that they would refuse. */
// biome-ignore lint/suspicious/noExplicitAny: that is what it is for
export const untyped = (value: unknown): any => value

/** A stream of text in these chunks. */
export function streamOf(...parts: string[]): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(encoder.encode(part))
      controller.close()
    },
  })
}
