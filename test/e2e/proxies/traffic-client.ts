import { once } from 'node:events'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { type Ask, encodedBody, faultOf, headOf, inWords, randomAsk, UPLOAD } from './ask.ts'
import { type Answer, HttpClient } from './http-client.ts'
import type { TrafficReport } from './traffic.ts'

/** How often something else than a request and its answer is next. */
const LEFT_UPLOADS = 0.01
const LEFT_DOWNLOADS = 0.01
const BURSTS = 0.06
const LONGEST_BURST = 5
/** How often a request comes in two parts, cut somewhere. */
const CUT = 0.2
/** By then it is known that something is wrong; each more may take until a timeout. */
const MOST_FAILURES = 20

export interface TrafficClientOptions {
  /** What its nonces begin with. */
  readonly name: string
  readonly port: number
  readonly random: () => number
  readonly report: TrafficReport
}

/** Sends one thing after the other, and checks what comes back. */
export class TrafficClient {
  readonly #options: TrafficClientOptions
  readonly #random: () => number
  readonly #report: TrafficReport
  #http: HttpClient | undefined
  #made = 0

  constructor(options: TrafficClientOptions) {
    this.#options = options
    this.#random = options.random
    this.#report = options.report
  }

  /** @param requests how many are to be answered; those that are left come on top */
  async run(requests: number): Promise<void> {
    const { failures } = this.#report
    for (let done = 0; done < requests && failures.length < MOST_FAILURES; ) {
      const dice = this.#random()
      if (dice < LEFT_UPLOADS) {
        await this.#leaveUpload()
      } else if (dice < LEFT_UPLOADS + LEFT_DOWNLOADS) {
        await this.#leaveDownload()
      } else {
        const isBurst = dice < LEFT_UPLOADS + LEFT_DOWNLOADS + BURSTS
        const wanted = isBurst ? 2 + Math.floor(this.#random() * (LONGEST_BURST - 1)) : 1
        const count = Math.min(wanted, requests - done)
        await this.#exchange(Array.from({ length: count }, () => this.#next(isBurst)))
        done += count
      }
    }
    this.#cut()
  }

  #next(isPipelined: boolean): Ask {
    const ask = randomAsk(this.#random, this.#nonce(), isPipelined)
    if (ask.isUnread) this.#report.unread.add(ask.nonce)
    return ask
  }

  #nonce(): string {
    return `${this.#options.name}-${this.#made++}`
  }

  /** Sends them, at once if they are more than one, and takes their answers. */
  async #exchange(asks: readonly Ask[]): Promise<void> {
    const waiting = [...asks]
    try {
      while (waiting.length > 0) await this.#over(await this.#connection(), waiting)
    } catch (error) {
      for (const ask of waiting) this.#fail(ask, (error as Error).message)
      this.#cut()
    }
  }

  /** Takes answers until all have come, or the connection says that it ends before the next. */
  async #over(http: HttpClient, waiting: Ask[]): Promise<void> {
    const sentAt = performance.now()
    if (waiting.length === 1) await this.#send(http, waiting[0] as Ask)
    else http.send(...waiting.flatMap(ask => [headOf(ask), encodedBody(ask)]))
    for (let ask = waiting[0]; ask !== undefined; ask = waiting[0]) {
      const answer = await this.#finalAnswer(http, ask)
      waiting.shift()
      this.#report.tookMs.push(performance.now() - sentAt)
      const fault = faultOf(ask, answer)
      if (fault === undefined) this.#report.answered.add(ask.nonce)
      else this.#fail(ask, fault)
      // A proxy that has an answer before it has passed on the body may say that its client's
      // connection stays, and end it all the same: nginx does.
      if (answer.isLast || ask.isUnread) return this.#leave()
    }
  }

  async #finalAnswer(http: HttpClient, ask: Ask): Promise<Answer> {
    const answer = await http.answer(ask.method)
    if (!ask.awaitsContinue) return answer
    // Whatever it has answered, so that the next is the same behind every proxy.
    const insists = this.#random() < 0.5
    if (answer.status === 100) {
      http.send(encodedBody(ask))
      return http.answer(ask.method)
    }
    // Not told to go on, one may do so all the same, or go (RFC 9110, section 10.1.1).
    if (insists && !answer.isLast) http.send(encodedBody(ask))
    return answer
  }

  async #send(http: HttpClient, ask: Ask): Promise<void> {
    const head = headOf(ask)
    if (ask.awaitsContinue) return http.send(head)
    const body = encodedBody(ask)
    if (this.#random() > CUT) return http.send(head, body)
    const bytes = Buffer.concat([Buffer.from(head), body])
    const middle = Math.floor(this.#random() * bytes.length)
    http.send(bytes.subarray(0, middle))
    await nextTurn()
    http.send(bytes.subarray(middle))
  }

  /** Goes in the middle of a request. */
  async #leaveUpload(): Promise<void> {
    const ask: Ask = { ...this.#next(true), ...UPLOAD, isChunked: this.#random() < 0.5 }
    const body = encodedBody(ask)
    await this.#begin(ask, http => {
      http.send(headOf(ask), body.subarray(0, body.length / 2))
      return sleep(5 * this.#random())
    })
  }

  /** Goes in the middle of an answer. */
  async #leaveDownload(): Promise<void> {
    const ask: Ask = { ...this.#next(true), method: 'GET', answer: 'endless', body: undefined }
    await this.#begin(ask, http => {
      http.send(headOf(ask))
      return once(http.socket, 'data')
    })
  }

  async #begin(ask: Ask, work: (http: HttpClient) => Promise<unknown>): Promise<void> {
    this.#report.left.add(ask.nonce)
    try {
      await work(await this.#connection())
    } catch (error) {
      this.#fail(ask, `before its client left: ${(error as Error).message}`)
    }
    this.#cut()
  }

  async #connection(): Promise<HttpClient> {
    if (this.#http?.isUsable !== true) {
      this.#http = await HttpClient.connect(this.#options.port)
      this.#report.connections++
    }
    return this.#http
  }

  #leave(): void {
    this.#http?.end()
    this.#http = undefined
  }

  #cut(): void {
    this.#http?.destroy()
    this.#http = undefined
  }

  #fail(ask: Ask, reason: string): void {
    this.#report.failures.push(`${inWords(ask)}: ${reason}`)
  }
}
