import type { EngineContext } from '../../../src/http/engine/engine-context.ts'
import { Exchange, type ExchangePeer } from '../../../src/http/engine/exchange.ts'
import { RequestParser } from '../../../src/http/engine/parser.ts'
import type { RequestHead } from '../../../src/http/engine/request-head.ts'
import { LIMITS } from './limits.ts'
import type { Message, Reading, ReadingError } from './reading.ts'

/** {@link Message}, and what only the engine tells. */
interface EngineMessage extends Message {
  /** Why the connection refuses a request that its parser lets pass. */
  readonly refusal: ReadingError | undefined
}

export interface EngineReading extends Reading {
  readonly messages: readonly EngineMessage[]
  /** Where the first message that is not complete begins. */
  readonly end: number
  /** The last message is the last of its connection: what is behind it is not read. */
  readonly isClosed: boolean
}

const NO_BODY = Buffer.alloc(0)

/** What the engine's parser makes of `parts`, and what its connection would refuse. */
export function readWithEngine(parts: readonly Buffer[]): EngineReading {
  const parser = new RequestParser(LIMITS)
  const messages: Open[] = []
  let pushed = 0
  let end = 0
  let isClosed = false
  for (const part of parts) {
    if (isClosed) break
    parser.push(part)
    pushed += part.length
    for (;;) {
      const event = parser.next()
      if (event === 'more' || event === 'error') break
      if (event === 'head') messages.push(new Open(parser.takeHead()))
      const message = messages.at(-1)!
      if (event === 'data') message.parts.push(parser.takeData())
      if (event === 'end') message.isComplete = true
      if (!message.isComplete) continue
      end = pushed - parser.held
      isClosed = message.isLast
      if (isClosed) break
    }
  }
  return { messages, error: parser.error, end, isClosed }
}

class Open implements EngineMessage {
  readonly parts: Buffer[] = []
  isComplete: boolean
  readonly refusal: ReadingError | undefined
  readonly #head: RequestHead

  constructor(head: RequestHead) {
    this.#head = head
    // What follows a CONNECT is not HTTP.
    this.isComplete = head.bodyBytes === 0 || head.method === 'CONNECT'
    this.refusal = refusalOf(head)
  }

  get method(): string {
    return this.#head.method
  }

  get target(): string {
    return this.#head.target
  }

  get version(): string {
    return this.#head.isHttp10 ? '1.0' : '1.1'
  }

  get rawHeaders(): readonly string[] {
    return this.#head.rawHeaders
  }

  get body(): Buffer {
    return this.parts.length === 0 ? NO_BODY : Buffer.concat(this.parts)
  }

  get isLast(): boolean {
    return this.#head.wantsClose || this.method === 'CONNECT'
  }
}

const PEER = { scheme: 'http', address: '127.0.0.1', isTrusted: false, socket: {} } as ExchangePeer
const CONTEXT = { options: { maxBodyBytes: Number.MAX_SAFE_INTEGER } } as EngineContext

function refusalOf(head: RequestHead): ReadingError | undefined {
  try {
    new Exchange(head, PEER).open(CONTEXT)
    return undefined
  } catch (error) {
    return error as ReadingError
  }
}
