import { hash } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import type { FunctionContext } from 'fezz'
import { FezzFunction } from 'fezz/decorators'
import { type AnswerName, answerKind, linesOf } from '../answers.ts'

const PIECES = 5

/**
 * Says in each answer which request it is of, and with what body that one has come. As it is part of
 * the host's process, it also knows how many connections the host was sent.
 */
@FezzFunction({
  id: 'mirror',
  routes: ['/mirror/:answer', '/ledger'],
  method: 'ANY',
  preload: true,
})
export class Mirror {
  readonly #nonces: string[] = []
  #connections = 0
  readonly #count = () => {
    this.#connections++
  }

  onLoad(): void {
    subscribe('net.server.socket', this.#count)
  }

  onUnload(): void {
    unsubscribe('net.server.socket', this.#count)
  }

  async fetch(request: Request, { params }: FunctionContext): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    const answer = params['answer'] as AnswerName
    if (pathname === '/ledger') {
      return Response.json({ connections: this.#connections, nonces: this.#nonces })
    }
    const nonce = request.headers.get('x-nonce') ?? ''
    if (searchParams.get('nonce') !== nonce) throw new Error('a target with the head of another')
    this.#nonces.push(nonce)
    const headers = new Headers({ 'x-nonce': nonce, 'x-method': request.method })
    if (answer === 'endless') return new Response(endless(nonce), { headers })
    if (!searchParams.has('unread')) {
      headers.set('x-digest', hash('sha256', new Uint8Array(await request.arrayBuffer())))
    }
    const { status, body, isStream, type } = answerKind(answer)
    headers.set('content-type', type ?? 'text/plain; charset=utf-8')
    const text = body?.(nonce) ?? null
    return new Response(isStream && text !== null ? inPieces(text) : text, { status, headers })
  }
}

function inPieces(text: string): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text)
  const size = Math.ceil(bytes.length / PIECES)
  return ReadableStream.from(pieces())

  async function* pieces() {
    for (let at = 0; at < bytes.length; at += size) {
      yield bytes.subarray(at, at + size)
      await nextTurn()
    }
  }
}

function endless(nonce: string): ReadableStream<Uint8Array> {
  return ReadableStream.from(pieces())

  async function* pieces() {
    const piece = new TextEncoder().encode(linesOf(nonce, 16_384))
    for (;;) {
      yield piece
      await sleep(2)
    }
  }
}
