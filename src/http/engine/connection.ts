import type { Socket } from 'node:net'
import { FezzError } from '../../errors.ts'
import { cut } from '../cut.ts'
import { plainAddress } from '../forwarded.ts'
import type { Peer } from '../located-request.ts'
import { IncomingRequest } from '../web/incoming-request.ts'
import { adoptResponse, takeOutgoing } from '../web/outgoing.ts'
import type { Outgoing } from '../web/response-state.ts'
import type { EngineContext } from './engine-context.ts'
import { Exchange } from './exchange.ts'
import { JOINED_BYTES, Output } from './output.ts'
import { RequestParser } from './parser.ts'
import { ReceiveTimer } from './receive-timer.ts'
import { DISCARD_BYTES } from './request-body.ts'
import type { RequestHead } from './request-head.ts'
import { declaredLength, framingOf, responseHead } from './response-head.ts'
import { ResponseStream } from './response-stream.ts'

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

/**
 * One connection: requests in, answers out in their order (RFC 9112, section 9). Requests are read as
 * long as there is room for them in the chain of those without an answer; each is served as soon as
 * its head is there. A body is read while somebody wants it; after it comes the next request.
 *
 * What ends it: an answer that is the last (`#isLast`), a refusal, the client's end, a timeout. Its
 * writing side is closed first, then what the client still sends is thrown away for a moment: closing
 * a socket with unread input resets it, and the client may lose the answer (section 9.6).
 */
export class Connection implements Peer {
  readonly socket: Socket
  readonly scheme: 'http' | 'https'
  readonly address: string
  readonly isTrusted: boolean
  lastHost: string | undefined
  lastAuthority = ''
  readonly #context: EngineContext
  readonly #parser: RequestParser
  readonly #output: Output
  readonly #timer: ReceiveTimer
  /** Why its first request is refused. */
  readonly #rejection: FezzError | undefined
  /** Requests without a complete answer, oldest first. */
  #first: Exchange | undefined
  #last: Exchange | undefined
  #pending = 0
  #served = 0
  /** The one whose body arrives. */
  #upload: Exchange | undefined
  #stream: ResponseStream | undefined
  /** A whole message that follows the answers of all that is pending, and ends the connection. */
  #refusal: string | undefined
  #isAdvancing = false
  /** What it has done of what has arrived since it last had to wait for others. */
  #steps = 0
  #isWaiting = false
  #isPaused = false
  /** No request is read any more. */
  #isFinal = false
  /** Its writing side is closed: what comes now is thrown away. */
  #isEnded = false
  #isLeaving = false
  #hasClientEnded = false
  #thrownAwayBytes = 0

  /** @param rejection refuses its first request */
  constructor(socket: Socket, context: EngineContext, rejection: FezzError | undefined) {
    this.socket = socket
    this.scheme = context.options.tls === undefined ? 'http' : 'https'
    this.address = plainAddress(socket.remoteAddress ?? '')
    this.isTrusted = context.proxies.trusts(this.address)
    this.#context = context
    this.#rejection = rejection
    const { wheel, options } = context
    this.#parser = new RequestParser(options)
    this.#output = new Output(socket, context, this)
    this.#timer = new ReceiveTimer(wheel, options, this)
    socket
      .on('data', (chunk: Buffer) => this.#onData(chunk))
      .on('end', () => this.#onEnd())
      // Each error is followed by its `close`, which says all there is to know.
      .on('error', ignore)
      .on('close', () => this.#onClose())
    if (rejection !== undefined) this.#timer.hurry()
    else this.#timer.idle()
  }

  /** Nothing in flight, nothing arriving. */
  get isIdle(): boolean {
    return this.#pending === 0 && this.#parser.held === 0 && !this.#parser.isMidMessage
  }

  /** It ends with its next response, or after `lingerMs` without a request. */
  leave(lingerMs: number): void {
    if (this.#isLeaving) return
    this.#isLeaving = true
    this.#timer.idleMs = lingerMs
    if (this.isIdle && !this.#isEnded && this.#rejection === undefined) this.#timer.idle()
  }

  /** {@link ReceiveTimer} calls it with nothing arriving for too long. */
  onIdle(): void {
    if (!this.isIdle) return
    this.#isFinal = true
    this.socket.destroySoon()
  }

  /** {@link ReceiveTimer} calls it for a head or a body that does not arrive in time. */
  onLate(error: FezzError): void {
    this.#refuse(error)
    this.#advance()
  }

  /** {@link ReceiveTimer} calls it when a body's reader has stopped half-way, its request answered. */
  onReaderStopped(): void {
    this.#upload?.body?.takeAway()
    this.#leaveBody()
    this.#advance()
  }

  /** {@link ReceiveTimer} calls it when the client has had time to read the last answer. */
  onLingered(): void {
    this.socket.destroy()
  }

  /** {@link Output} calls it when the client has taken what was sent. */
  onDrain(): void {
    this.#advance()
  }

  /** {@link Output} calls it when the client takes nothing. */
  onStall(error: FezzError): void {
    this.#context.answers.reject(error)
    // The system would go on offering it what it has for minutes, at megabytes a connection.
    cut(this.socket)
  }

  /** Of a body: somebody wants more of it, or does not any more. */
  flow(): void {
    this.#leaveBody()
    this.#advance()
  }

  /** Of a body: somebody wants it, and the client waits to be told so (RFC 9110, section 10.1.1). */
  sendContinue(exchange: Exchange): void {
    if (exchange.isSending || exchange.isOver) return
    if (exchange === this.#first) this.#output.text(CONTINUE)
    else exchange.owesContinue = true
  }

  #onData(chunk: Buffer): void {
    if (this.#isEnded) {
      this.#thrownAwayBytes += chunk.length
      if (this.#thrownAwayBytes > DISCARD_BYTES) this.socket.destroy()
      return
    }
    this.#timer.touch()
    this.#steps = 0
    this.#parser.push(chunk)
    this.#advance()
  }

  /** Reads on as far as it may, then sends what that has made. */
  #advance(): void {
    // Whoever comes back here from below is seen to by the loop that is under way.
    if (this.#isAdvancing || this.socket.destroyed) return
    this.#isAdvancing = true
    while (this.#mayRead) {
      if (this.#steps++ > 0 && this.#parser.held > 0 && this.#context.turns.isOver) {
        this.#isWaiting = true
        this.#context.turns.next(() => this.#onTurn())
        break
      }
      const event = this.#parser.next()
      if (event === 'more') break
      if (event === 'head') this.#begin(this.#parser.takeHead())
      else if (event === 'data') this.#upload?.body?.receive(this.#parser.takeData())
      else if (event === 'end') this.#endUpload()
      else this.#refuse(this.#parser.error)
    }
    this.#isAdvancing = false
    this.#output.flush()
    this.#settle()
  }

  #onTurn(): void {
    this.#isWaiting = false
    this.#steps = 0
    this.#advance()
  }

  get #mayRead(): boolean {
    if (this.#isFinal && this.#upload === undefined) return false
    if (this.#isEnded || this.#isWaiting) return false
    if (this.#upload !== undefined) return this.#upload.body!.isWanted || this.#parser.isAtBodyEnd
    return this.#pending < this.#context.options.maxPipelined && !this.#output.isClogged
  }

  /** Reads the socket only while there is use for it; waits for what is due. */
  #settle(): void {
    if (this.#isEnded || this.socket.destroyed) return
    const mayRead = this.#mayRead
    if (this.#hasClientEnded && !this.#isWaiting && (mayRead || this.#parser.held === 0)) {
      this.#settleEnd()
      if (this.#isEnded || this.socket.destroyed) return
    }
    // With nothing held it reads on: how else would it see the client leave?
    const isFull = !mayRead && this.#parser.held > 0
    if (isFull !== this.#isPaused) {
      this.#isPaused = isFull
      if (isFull) this.socket.pause()
      else this.socket.resume()
    }
    // Its time was given to it in the beginning.
    if (this.#rejection !== undefined) return
    const body = this.#upload?.body
    if (body !== undefined && body !== null) this.#timer.body(body, this.#upload!.isOver)
    else if (this.#parser.isMidMessage && mayRead) this.#timer.head(this.#served)
    else if (this.#pending > 0 || this.#isFinal) this.#timer.rest()
    else this.#timer.idle()
  }

  #begin(head: RequestHead): void {
    const exchange = new Exchange(head, this)
    this.#append(exchange)
    const { maxConnectionRequests } = this.#context.options
    const isFull = maxConnectionRequests > 0 && this.#served >= maxConnectionRequests
    exchange.isLast = isFull || head.wantsClose
    if (exchange.isLast) this.#isFinal = true
    try {
      if (this.#rejection !== undefined) throw this.#rejection
      exchange.open(this.#context)
    } catch (error) {
      this.#refuseExchange(exchange, error as FezzError)
      return
    }
    if (exchange.body !== null) this.#beginUpload(exchange)
    if (exchange.upgrade !== undefined) {
      this.#isFinal = true
      this.#proceed()
      return
    }
    let result: Response | Promise<Response>
    try {
      result = this.#context.answers.serve(exchange)
    } catch (error) {
      this.#fail(exchange, error)
      return
    }
    if (result instanceof Promise) {
      result.then(
        response => this.#answerLater(exchange, response),
        error => {
          this.#fail(exchange, error)
          this.#advance()
        },
      )
    } else {
      this.#answer(exchange, result)
    }
  }

  #beginUpload(exchange: Exchange): void {
    if (this.#parser.holdsBody) {
      this.#parser.next()
      exchange.body!.preload(this.#parser.takeData())
      this.#parser.next()
      return
    }
    this.#upload = exchange
    this.#timer.beginBody()
  }

  #endUpload(): void {
    const { body } = this.#upload!
    this.#upload = undefined
    body!.complete()
  }

  #append(exchange: Exchange): void {
    this.#served++
    this.#pending++
    if (this.#last === undefined) this.#first = exchange
    else this.#last.next = exchange
    this.#last = exchange
  }

  #answerLater(exchange: Exchange, response: Response): void {
    this.#answer(exchange, response)
    this.#advance()
  }

  #answer(exchange: Exchange, response: Response): void {
    try {
      const outgoing = takeOutgoing(adoptResponse(response))
      if (exchange.isAnswered || this.socket.destroyed) {
        cancel(outgoing.body)
        return
      }
      exchange.isAnswered = true
      exchange.outgoing = outgoing
    } catch (error) {
      this.#fail(exchange, error)
      return
    }
    if (exchange === this.#first) this.#proceed()
  }

  /** The handler threw, which it must not, or returned what cannot be sent. */
  #fail(exchange: Exchange, cause: unknown): void {
    if (exchange.isAnswered) this.#context.answers.logFailure(exchange, cause)
    else this.#answer(exchange, this.#context.answers.failed(exchange, cause))
  }

  /** Sends the answers whose turn it is. */
  #proceed(): void {
    for (let exchange = this.#first; exchange !== undefined; exchange = this.#first) {
      if (exchange.isSending) return
      if (exchange.upgrade !== undefined) {
        this.#handOver(exchange)
        return
      }
      if (exchange.outgoing === undefined) {
        if (exchange.owesContinue) this.#output.text(CONTINUE)
        exchange.owesContinue = false
        return
      }
      this.#send(exchange)
    }
    if (this.#refusal === undefined || this.#isEnded) return
    this.#output.text(this.#refusal)
    this.#end()
  }

  #send(exchange: Exchange): void {
    const { outgoing, head } = exchange
    const { body } = outgoing!
    const isHead = exchange.method === 'HEAD'
    if (this.#isLast(exchange)) {
      exchange.isLast = true
      this.#isFinal = true
    }
    const framing = framingOf(outgoing!, head.isHttp10)
    const text = responseHead(outgoing!, isHead, framing, exchange.isLast)
    exchange.outgoing = undefined
    if (body === null || isHead) {
      this.#output.text(text)
      cancel(body)
    } else if (typeof body === 'string' && body.length <= JOINED_BYTES && isAscii(outgoing!)) {
      this.#output.text(text + body)
    } else if (body instanceof ReadableStream) {
      exchange.isSending = true
      this.#stream = new ResponseStream(
        body,
        this.#output,
        framing,
        declaredLength(outgoing!.headers),
      )
      void this.#sendStream(exchange, this.#stream, text)
      return
    } else {
      const bytes = typeof body === 'string' && !isAscii(outgoing!) ? Buffer.from(body) : body
      exchange.isSending = true
      this.#output.message(text, bytes, () => {
        exchange.isSending = false
        this.#finish(exchange)
        this.#proceedLater()
      })
      return
    }
    this.#finish(exchange)
  }

  /** Not from below {@link #proceed}, whose loop goes on by itself. */
  #proceedLater(): void {
    if (this.#isAdvancing) return
    this.#proceed()
    this.#advance()
  }

  async #sendStream(exchange: Exchange, stream: ResponseStream, head: string): Promise<void> {
    const outcome = await stream.send(head)
    this.#stream = undefined
    exchange.isSending = false
    if (outcome === 'left') return
    if (outcome === 'complete') {
      this.#finish(exchange)
      this.#proceed()
      this.#advance()
      return
    }
    const { failure } = outcome
    this.#context.answers.log?.error(
      { err: failure },
      'response stream failed after its head was sent',
    )
    this.#isFinal = true
    // Without a length and without chunks only a reset tells an end from an abort.
    if (exchange.head.isHttp10) cut(this.socket)
    else this.socket.destroySoon()
  }

  /** Whether the connection is to end with its answer. */
  #isLast(exchange: Exchange): boolean {
    if (exchange.isLast) return true
    const { body } = exchange
    if (body?.isBurden === true) return true
    if (!this.#isLeaving && !this.#hasClientEnded) return false
    // What was pipelined behind it was sent in good faith, and is answered first.
    return exchange.next === undefined && this.#parser.held === 0
  }

  /** Its answer is with the socket. */
  #finish(exchange: Exchange): void {
    exchange.isOver = true
    this.#first = exchange.next
    // A function may keep its request for long, and must not keep those behind it.
    exchange.next = undefined
    if (this.#first === undefined) this.#last = undefined
    this.#pending--
    if (exchange.isLast) this.#end()
    else if (exchange === this.#upload) this.#leaveBody()
  }

  /** Once its request is answered, gets what nobody reads of a body out of the next one's way. */
  #leaveBody(): void {
    const { body, isOver } = this.#upload ?? {}
    if (body === undefined || body === null || !isOver) return
    if (body.isBurden) this.#end()
    else body.discard()
  }

  #handOver(exchange: Exchange): void {
    const { socket } = this
    this.#output.flush()
    this.#isEnded = true
    this.#timer.close()
    this.#output.close()
    socket.removeAllListeners('data').removeAllListeners('end').pause()
    const rest = this.#parser.takeRest()
    exchange.upgrade!(new IncomingRequest(exchange), socket, rest)
    if (socket.listenerCount('data') > 0) socket.resume()
  }

  #refuseExchange(exchange: Exchange, error: FezzError): void {
    exchange.isLast = true
    this.#isFinal = true
    this.#answer(exchange, this.#context.answers.refusal(error, exchange.requestId))
  }

  /** Nothing that comes from now on can be understood, or it does not come in time. */
  #refuse(error: FezzError): void {
    const { answers } = this.#context
    const exchange = this.#upload
    this.#isFinal = true
    this.#upload = undefined
    if (exchange === undefined) {
      this.#refusal = answers.refusalMessage(error)
      this.#proceed()
      return
    }
    exchange.body?.fail(new FezzError('CLIENT_CLOSED', 'The request is broken', { cause: error }))
    if (exchange.isOver || exchange.isSending) {
      answers.reject(error, exchange.requestId)
      // An answer that was given stays whole; one under way may be made of this very body.
      if (exchange.isOver) this.#end()
      else this.socket.destroySoon()
      return
    }
    exchange.isLast = true
    if (exchange.isAnswered) answers.reject(error, exchange.requestId)
    else this.#answer(exchange, answers.refusal(error, exchange.requestId))
    exchange.abort()
  }

  /** The client sends nothing more. Most have left; some wait for their answers. */
  #onEnd(): void {
    this.#hasClientEnded = true
    if (this.#isEnded) return
    if (this.#stream !== undefined && this.#upload === undefined) {
      this.socket.destroy()
      return
    }
    for (let exchange = this.#first; exchange !== undefined; exchange = exchange.next) {
      exchange.abort()
    }
    this.#advance()
  }

  /** All that the client has sent is told, and nothing more comes. */
  #settleEnd(): void {
    const exchange = this.#upload
    if (exchange?.isOver === true) {
      this.#end()
    } else if (exchange?.isSending === true) {
      // What is under way may be made of the body that does not come.
      this.socket.destroy()
    } else if (exchange !== undefined || (this.#parser.isMidMessage && !this.#isFinal)) {
      this.#refuse(new FezzError('BAD_REQUEST', 'The request ended before it was complete'))
    } else if (this.#pending === 0) {
      this.#end()
    }
  }

  #end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#isFinal = true
    this.#output.flush()
    this.#upload?.body?.fail(
      new FezzError('CLIENT_CLOSED', 'The request is over, its body cannot be read'),
    )
    this.#upload = undefined
    this.#timer.rest()
    this.socket.resume()
    // Counted from when the client can have all of it.
    this.socket.end(() => this.#timer.linger())
  }

  #onClose(): void {
    this.#timer.close()
    this.#output.close()
    this.#upload?.body?.fail(
      new FezzError('CLIENT_CLOSED', 'The client left before its request was complete'),
    )
    this.#stream?.cancel()
    for (let exchange = this.#first; exchange !== undefined; exchange = exchange.next) {
      if (exchange.outgoing !== undefined) cancel(exchange.outgoing.body)
      exchange.abort()
    }
  }
}

/** Of a body that is text. */
function isAscii({ body, headers }: Outgoing): boolean {
  return declaredLength(headers) === String((body as string).length)
}

function cancel(body: unknown): void {
  if (body instanceof ReadableStream) body.cancel().catch(() => {})
}

function ignore(): void {}
