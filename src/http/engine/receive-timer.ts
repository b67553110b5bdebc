import { FezzError } from '../../errors.ts'
import { REFUSED_MS } from '../connection-limits.ts'
import { BODY_RATE_WINDOW_MS, type ListenerOptions } from '../listener.ts'
import type { RequestBody } from './request-body.ts'
import { Deadline, type Wheel } from './wheel.ts'

/** Time for a client to close its side after the last answer. */
const LINGER_MS = 1_000
/** Time in which the reader of a body has to go on, once its request is answered. */
const READER_MS = 1_000

/** What comes of it. */
interface Receiver {
  onIdle(): void
  onLate(error: FezzError): void
  onReaderStopped(): void
  onLingered(): void
}

type Phase = 'none' | 'idle' | 'head' | 'body' | 'reader' | 'linger'

/** What a connection waits for from its client, and how long. */
export class ReceiveTimer {
  /** How long it may be without a request. */
  idleMs: number
  readonly #wheel: Wheel
  readonly #options: ListenerOptions
  readonly #receiver: Receiver
  readonly #deadline: Deadline
  #phase: Phase = 'none'
  /** Which of the connection's heads is arriving. */
  #head = -1
  #headSinceMs = 0
  #hasReceived = false
  /** Changes with everything that arrives. */
  #touched = 0
  #body: RequestBody | undefined
  /** Time the client has left for the request, less what it has used. */
  #bodyRestMs = 0
  #bodySinceMs = 0
  #windowMs = 0
  #windowBytes = 0

  constructor(wheel: Wheel, options: ListenerOptions, receiver: Receiver) {
    this.#wheel = wheel
    this.#options = options
    this.#receiver = receiver
    this.idleMs = options.keepAliveTimeoutMs
    this.#deadline = new Deadline(() => this.#onDue())
  }

  /** Something has arrived. */
  touch(): void {
    this.#touched++
    this.#hasReceived = true
  }

  /** It waits for a request. */
  idle(): void {
    this.#enter('idle')
    this.#wheel.set(this.#deadline, this.#hasReceived ? this.idleMs : this.#firstMs)
  }

  /** It waits for the rest of a head. @param number which of the connection's heads it is */
  head(number: number): void {
    if (this.#phase === 'head' && this.#head === number) return
    this.#enter('head')
    this.#head = number
    this.#headSinceMs = this.#wheel.nowMs
    const { headersTimeoutMs, requestTimeoutMs } = this.#options
    this.#wheel.set(this.#deadline, Math.min(headersTimeoutMs, requestTimeoutMs))
  }

  /** A body begins to arrive. */
  beginBody(): void {
    const sinceMs = this.#phase === 'head' ? this.#headSinceMs : this.#wheel.nowMs
    this.#bodyRestMs = this.#options.requestTimeoutMs - (this.#wheel.nowMs - sinceMs)
    this.#windowMs = 0
    this.#windowBytes = 0
    // What was waited for until now, perhaps another body, does not count for this one.
    this.#phase = 'none'
  }

  /** It waits for more of `body`, or for its reader. @param isAnswered whether its request is */
  body(body: RequestBody, isAnswered: boolean): void {
    this.#body = body
    if (body.isWanted) {
      if (this.#phase === 'body') return
      this.#enter('body')
      this.#bodySinceMs = this.#wheel.nowMs
      const leftMs = Math.min(BODY_RATE_WINDOW_MS - this.#windowMs, this.#bodyRestMs)
      this.#wheel.set(this.#deadline, Math.max(0, leftMs))
    } else if (isAnswered) {
      this.#enter('reader')
      this.#wheel.set(this.#deadline, READER_MS)
    } else {
      this.rest()
    }
  }

  /** It waits for nothing. */
  rest(): void {
    this.#enter('none')
    this.#wheel.clear(this.#deadline)
  }

  /** It waits for the client to close. */
  linger(): void {
    this.#enter('linger')
    this.#wheel.set(this.#deadline, LINGER_MS)
  }

  /** A whole request has to come soon, or it is over. */
  hurry(): void {
    this.#enter('linger')
    this.#wheel.set(this.#deadline, REFUSED_MS)
  }

  /** For good. */
  close(): void {
    this.#phase = 'none'
    this.#wheel.remove(this.#deadline)
  }

  /** A connection that never asks for anything has no more time than one that asks slowly. */
  get #firstMs(): number {
    return Math.min(this.idleMs, this.#options.headersTimeoutMs)
  }

  #enter(phase: Phase): void {
    if (this.#phase === 'body') {
      const waitedMs = this.#wheel.nowMs - this.#bodySinceMs
      this.#bodyRestMs -= waitedMs
      this.#windowMs += waitedMs
    }
    this.#phase = phase
  }

  #onDue(): void {
    const touched = this.#touched
    const phase = this.#phase
    // After a turn that took long, timers come before what has arrived meanwhile is read.
    setImmediate(() => {
      if (phase !== this.#phase || this.#deadline.isSet) return
      if (phase === 'body') this.#judgeBody()
      else if (phase === 'linger') this.#receiver.onLingered()
      else if (phase === 'reader') this.#receiver.onReaderStopped()
      else if (phase === 'idle' && touched === this.#touched) this.#receiver.onIdle()
      else if (phase === 'head') this.#receiver.onLate(late('The head did not arrive in time'))
    })
  }

  #judgeBody(): void {
    const body = this.#body as RequestBody
    this.#enter('none')
    if (this.#bodyRestMs <= 0) {
      this.#receiver.onLate(late('The request did not arrive in time'))
      return
    }
    const leastBytes = (this.#options.minBodyRateBytes * this.#windowMs) / 1_000
    if (this.#windowMs >= BODY_RATE_WINDOW_MS) {
      if (body.received - this.#windowBytes < leastBytes) {
        this.#receiver.onLate(late('The body arrives too slowly'))
        return
      }
      this.#windowMs = 0
      this.#windowBytes = body.received
    }
    this.body(body, false)
  }
}

function late(message: string): FezzError {
  return new FezzError('REQUEST_TIMEOUT', message)
}
