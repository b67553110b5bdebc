import { type ParserLimits, RequestParser } from '../../../src/http/engine/parser.ts'
import type { RequestHead } from '../../../src/http/engine/request-head.ts'

/** What a parser has told of some bytes. */
export interface Told {
  readonly messages: readonly ToldMessage[]
  /** Code and message. */
  readonly error: string | undefined
  /** Bytes that are not told, after all of them came. */
  readonly held: number
  readonly isMidMessage: boolean
}

interface ToldMessage {
  readonly line: string
  readonly rawHeaders: readonly string[]
  readonly host: string | undefined
  readonly requestId: string | undefined
  readonly bodyBytes: number
  readonly hasOptions: boolean
  readonly body: string
  /** Where in the bytes it ends; `undefined` while it has not. */
  readonly end: number | undefined
}

/** All that a parser tells of `parts`, one character for each byte; throws where it contradicts itself. */
export function tell(parts: readonly Buffer[], limits: ParserLimits): Told {
  const parser = new RequestParser(limits)
  const messages: ToldMessage[] = []
  let pushed = 0
  let begun = 0
  for (const part of parts) {
    parser.push(part)
    pushed += part.length
    for (let event = parser.next(); event !== 'more'; event = parser.next()) {
      if (event === 'error') return failed(parser, messages)
      const told = pushed - parser.held
      if (event === 'head') {
        const head = parser.takeHead()
        messages.push(messageOf(head, told))
        begun = told
        const isHeld = head.bodyBytes > 0 && parser.held >= head.bodyBytes
        if (parser.holdsBody !== isHeld) throw new Error('holdsBody is wrong')
        continue
      }
      const message = messages.at(-1)!
      const body = message.body + (event === 'data' ? parser.takeData().toString('latin1') : '')
      const end = event === 'end' ? told : undefined
      messages[messages.length - 1] = { ...message, body, end }
      if (message.bodyBytes >= 0 && told - begun !== body.length) throw new Error('held is wrong')
    }
  }
  const { held, isMidMessage } = parser
  return { messages, error: undefined, held, isMidMessage }
}

function failed(parser: RequestParser, messages: readonly ToldMessage[]): Told {
  const { code, message } = parser.error
  if (parser.next() !== 'error') throw new Error('it goes on behind an error')
  return {
    messages,
    error: `${code} ${message}`,
    held: parser.held,
    isMidMessage: parser.isMidMessage,
  }
}

function messageOf(head: RequestHead, told: number): ToldMessage {
  return {
    line: `${head.method} ${head.target} ${head.isHttp10 ? '1.0' : '1.1'}`,
    rawHeaders: head.rawHeaders,
    host: head.host,
    requestId: head.requestId,
    bodyBytes: head.bodyBytes,
    hasOptions: head.hasOptions,
    body: '',
    end: head.bodyBytes === 0 ? told : undefined,
  }
}
