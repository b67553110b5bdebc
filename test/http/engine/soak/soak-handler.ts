import { setTimeout as sleep } from 'node:timers/promises'
import { FastResponse } from '../../../../src/http/web/response.ts'

/** What a request asks for, by the first segment of its path; the second is its nonce. */
export const ANSWERS = [
  'text',
  'later',
  'bytes',
  'string',
  'stream',
  'echo',
  'pipe',
  'early',
  'half',
  'cancel',
  'empty',
  'throws',
  'breaks',
  'waits',
] as const
export type Answer = (typeof ANSWERS)[number]

/** Of these a client gets to see no whole answer. */
export const NEVER_WHOLE: ReadonlySet<Answer> = new Set(['breaks', 'waits'])
/** Behind these a connection may end: a large part of the body was left unread. */
export const PERHAPS_LAST: ReadonlySet<Answer> = new Set(['half'])

/** Everything that was begun and has to end, by what it is. */
export const open: Record<'bodies' | 'streams' | 'waiting', number> = {
  bodies: 0,
  streams: 0,
  waiting: 0,
}
/** All requests that were seen, to find those that stay. */
export const seen: WeakRef<Request>[] = []

/** What the body of an answer is made of: `size` bytes that tell of their nonce. */
export function contentOf(nonce: string, size: number): string {
  return nonce.repeat(Math.ceil(size / nonce.length)).slice(0, size)
}

/** The handler of the soak test: `/<answer>/<nonce>/<size>`. */
export async function soakHandler(request: Request): Promise<Response> {
  seen.push(new WeakRef(request))
  const [, answer = '', nonce = '', size = ''] = new URL(request.url).pathname.split('/')
  return responseTo(request, answer as Answer, nonce, Number(size))
}

async function responseTo(
  request: Request,
  answer: Answer,
  nonce: string,
  size: number,
): Promise<Response> {
  const headers = { 'x-nonce': nonce }
  const content = () => contentOf(nonce, size)
  switch (answer) {
    case 'later':
      await sleep(size % 7)
      return new FastResponse(content().slice(0, 1_000), { headers })
    case 'bytes':
      return new FastResponse(Buffer.from(content()), { headers })
    case 'string':
      return new FastResponse(content(), { headers })
    case 'stream':
      return new FastResponse(streamOf(content(), Number.POSITIVE_INFINITY), { headers })
    case 'breaks':
      return new FastResponse(streamOf(content(), size / 2), { headers })
    case 'echo':
      return new FastResponse(await reading(request.text()), { headers })
    case 'pipe':
      return new FastResponse(request.body, { headers })
    case 'early':
      void reading(request.text()).catch(() => {})
      return new FastResponse('early', { headers })
    case 'half':
    case 'cancel': {
      const reader = request.body?.getReader()
      await reading(Promise.resolve(reader?.read())).catch(() => {})
      if (answer === 'cancel') reader?.cancel().catch(() => {})
      else reader?.releaseLock()
      return new FastResponse(answer, { headers })
    }
    case 'empty':
      return new FastResponse(null, { status: size % 2 === 0 ? 204 : 304, headers })
    case 'throws':
      throw new Error('on purpose')
    case 'waits':
      open.waiting++
      // A client that leaves with much of its requests unread is not seen to leave.
      await new Promise(resolve => {
        setTimeout(resolve, 3_000)
        request.signal.addEventListener('abort', resolve)
      })
      open.waiting--
      return new FastResponse('late', { headers })
    default:
      return new FastResponse('text', { headers })
  }
}

async function reading<T>(body: Promise<T>): Promise<T> {
  open.bodies++
  return body.finally(() => open.bodies--)
}

/** In pieces, with pauses; fails after so many bytes. */
function streamOf(content: string, failsAfter: number): ReadableStream<Uint8Array> {
  let at = 0
  let isOpen = true
  open.streams++
  const close = () => {
    if (isOpen) open.streams--
    isOpen = false
  }
  return new ReadableStream({
    async pull(controller) {
      const piece = content.slice(at, at + 1 + ((at * 7_919) % 30_000))
      if (at % 5 === 0) await sleep(1)
      at += piece.length
      if (at > failsAfter || piece === '') close()
      if (at > failsAfter) throw new Error('on purpose')
      if (piece === '') controller.close()
      else controller.enqueue(Buffer.from(piece))
    },
    cancel: close,
  })
}
