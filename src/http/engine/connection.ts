import type { Socket } from 'node:net'
import { FezzError } from '../../errors.ts'
import { DISCARD_BYTES, requestOver } from '../body-sink.ts'
import { cut } from '../cut.ts'
import { plainAddress } from '../forwarded.ts'
import type { Peer } from '../located-request.ts'
import { IncomingRequest } from '../web/incoming-request.ts'
import { AnswerChain, type ChainOwner } from './answer-chain.ts'
import type { EngineContext } from './engine-context.ts'
import { Exchange } from './exchange.ts'
import { Output } from './output.ts'
import { RequestParser } from './parser.ts'
import { ReceiveTimer } from './receive-timer.ts'
import type { RequestHead } from './request-head.ts'

/** What is read of requests and bodies that have to wait. */
const AHEAD_BYTES = 65_536

/** What a part of a body counts as, in requests: see {@link Turns}. */
const PART_STEPS = 8

/**
 * One connection: requests in, answers out in their order (RFC 9112, section 9). Requests are read as
 * long as there is room for them in the chain of those without an answer; each is served as soon as
 * its head is there. A body is read while somebody wants it; after it comes the next request.
 *
 * What ends it: an answer that is the last ({@link isLast}), a refusal, the client's end, a timeout. Its
 * writing side is closed first, then what the client still sends is thrown away for a moment: closing
 * a socket with unread input resets it, and the client may lose the answer (section 9.6).
 */
export class Connection implements Peer, ChainOwner {
  readonly socket: Socket
  readonly scheme: 'http' | 'https'
  readonly address: string
  readonly isTrusted: boolean
  lastHost: string | undefined
  lastAuthority = ''
  readonly #context: EngineContext
  readonly #parser: RequestParser
  readonly #output: Output
  readonly #chain: AnswerChain
  readonly #timer: ReceiveTimer
  /** Why its first request is refused. */
  readonly #rejection: FezzError | undefined
  #served = 0
  /** The one whose body arrives. */
  #upload: Exchange | undefined
  /** A whole message that follows the answers of all that is pending, and ends the connection. */
  #refusal: string | undefined
  #isAdvancing = false
  /** What it has done last of what has arrived: its first piece waits for nobody. */
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
    this.#chain = new AnswerChain(this.#output, context.answers, this)
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
    return this.#chain.size === 0 && this.#parser.held === 0 && !this.#parser.isMidMessage
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

  /** {@link AnswerChain} asks it. */
  isLast(exchange: Exchange): boolean {
    const isLast = exchange.isLast || this.#endsWith(exchange)
    if (isLast) this.#isFinal = true
    return isLast
  }

  #endsWith({ body, next }: Exchange): boolean {
    if (body?.isBurden === true) return true
    if (!this.#isLeaving && !this.#hasClientEnded) return false
    // What was pipelined behind it was sent in good faith, and is answered first.
    return next === undefined && this.#parser.held === 0
  }

  /** {@link AnswerChain} calls it when an answer is with the socket. */
  onAnswered(exchange: Exchange): void {
    if (exchange.isLast) this.#end()
    else if (exchange === this.#upload) this.#leaveBody()
  }

  /** {@link AnswerChain} calls it when nothing is left to answer. */
  onAllAnswered(): void {
    if (this.#refusal === undefined || this.#isEnded) return
    this.#output.text(this.#refusal)
    this.#end()
  }

  /** {@link AnswerChain} calls it when it is the turn of an Upgrade. */
  onUpgrade(exchange: Exchange): void {
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

  /** {@link AnswerChain} calls it when an answer has ended that took its time. */
  onProgress(): void {
    this.#advance()
  }

  /** {@link AnswerChain} calls it when a stream has failed. */
  onBroken(exchange: Exchange, failure: unknown): void {
    const { log } = this.#context.answers
    log?.error({ err: failure }, 'response stream failed after its head was sent')
    this.#isFinal = true
    // Without a length and without chunks only a reset tells an end from an abort.
    if (exchange.head.isHttp10) cut(this.socket)
    else this.socket.destroySoon()
  }

  /** Of a body: somebody wants more of it, or does not any more. */
  flow(): void {
    this.#leaveBody()
    this.#advance()
  }

  /** Of a body: somebody wants it, and the client waits to be told so (RFC 9110, section 10.1.1). */
  sendContinue(exchange: Exchange): void {
    this.#chain.sendContinue(exchange)
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
      const hasMore = this.#steps > 0 && this.#parser.held > 0
      if (hasMore && this.#context.turns.isOverAfter(this.#steps)) {
        this.#isWaiting = true
        this.#context.turns.next(() => this.#onTurn())
        break
      }
      const event = this.#parser.next()
      if (event === 'more') break
      this.#steps = event === 'data' ? PART_STEPS : 1
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
    return this.#chain.size < this.#context.options.maxPipelined && !this.#output.isClogged
  }

  /** Reads the socket only while there is use for it; waits for what is due. */
  #settle(): void {
    if (this.#isEnded || this.socket.destroyed) return
    const mayRead = this.#mayRead
    if (this.#hasClientEnded && !this.#isWaiting && (mayRead || this.#parser.held === 0)) {
      this.#settleEnd()
      if (this.#isEnded || this.socket.destroyed) return
    }
    // It reads some more than there is use for: how else would it see the client leave?
    const isFull = !mayRead && this.#parser.held > (this.#isWaiting ? 0 : AHEAD_BYTES)
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
    else if (this.#chain.size > 0 || this.#isFinal) this.#timer.rest()
    else this.#timer.idle()
  }

  #begin(head: RequestHead): void {
    const exchange = new Exchange(head, this)
    this.#served++
    this.#chain.append(exchange)
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
      this.#chain.proceed()
      return
    }
    let result: Response | Promise<Response>
    try {
      result = this.#context.answers.serve(exchange)
    } catch (error) {
      this.#chain.fail(exchange, error)
      return
    }
    if (result instanceof Promise) {
      result.then(
        response => this.#answerLater(exchange, response),
        error => {
          this.#chain.fail(exchange, error)
          this.#advance()
        },
      )
    } else {
      this.#chain.answer(exchange, result)
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

  #answerLater(exchange: Exchange, response: Response): void {
    this.#chain.answer(exchange, response)
    this.#advance()
  }

  /** Once its request is answered, gets what nobody reads of a body out of the next one's way. */
  #leaveBody(): void {
    const { body, isOver } = this.#upload ?? {}
    if (body === undefined || body === null || !isOver) return
    if (body.isBurden) this.#end()
    else body.discard()
  }

  #refuseExchange(exchange: Exchange, error: FezzError): void {
    exchange.isLast = true
    this.#isFinal = true
    this.#chain.answer(exchange, this.#context.answers.refusal(error, exchange.requestId))
  }

  /** Nothing that comes from now on can be understood, or it does not come in time. */
  #refuse(error: FezzError): void {
    const { answers } = this.#context
    const exchange = this.#upload
    this.#isFinal = true
    this.#upload = undefined
    if (exchange === undefined) {
      this.#refusal = answers.refusalMessage(error)
      this.#chain.proceed()
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
    else this.#chain.answer(exchange, answers.refusal(error, exchange.requestId))
    exchange.abort()
  }

  /** The client sends nothing more. Most have left; some wait for their answers. */
  #onEnd(): void {
    this.#hasClientEnded = true
    if (this.#isEnded) return
    if (this.#chain.isStreaming && this.#upload === undefined) {
      this.socket.destroy()
      return
    }
    this.#chain.abort()
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
    } else if (this.#chain.size === 0) {
      this.#end()
    }
  }

  #end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#isFinal = true
    this.#output.flush()
    this.#upload?.body?.fail(requestOver())
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
    this.#chain.close()
  }
}

function ignore(): void {}
