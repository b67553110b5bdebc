/** Work of one turn for those that have much of it; what else is to be done waits no longer. */
const SHARE_MS = 2

/**
 * Divides the time of the event loop among the connections: who has much to do, such as pipelined
 * requests or a large body, goes on in the next turn once the share of this one is used up, in the
 * order of asking. Who has little never asks.
 */
export class Turns {
  #waiting: (() => void)[] = []
  #isRunning = false
  #endsMs = 0

  /** Whether the share of this turn is used up. Asked before each piece of work but the first. */
  get isOver(): boolean {
    const nowMs = performance.now()
    if (this.#isRunning) return nowMs >= this.#endsMs
    this.#begin(nowMs)
    return false
  }

  /** Calls `goOn` in a later turn. */
  next(goOn: () => void): void {
    this.#waiting.push(goOn)
    if (!this.#isRunning) this.#begin(performance.now())
  }

  #begin(nowMs: number): void {
    this.#isRunning = true
    this.#endsMs = nowMs + SHARE_MS
    setImmediate(() => this.#turn())
  }

  #turn(): void {
    const waiting = this.#waiting
    this.#isRunning = false
    if (waiting.length === 0) return
    this.#begin(performance.now())
    this.#waiting = []
    let done = 0
    // Those that it does not come to stay before those that ask meanwhile.
    while (done < waiting.length && (done === 0 || !this.isOver)) waiting[done++]!()
    if (done < waiting.length) this.#waiting = [...waiting.slice(done), ...this.#waiting]
  }
}
