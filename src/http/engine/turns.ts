/** Steps, of all connections, between two looks at the clock. */
const STEPS = 8

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
  #isUsedUp = false
  #endsMs = 0
  #steps = 0

  /** Whether the share of this turn is used up. Asked before each piece of work but the first. */
  get isOver(): boolean {
    if (this.#isUsedUp) return true
    const nowMs = performance.now()
    if (!this.#isRunning) this.#begin(nowMs)
    this.#isUsedUp = nowMs >= this.#endsMs
    return this.#isUsedUp
  }

  /** {@link isOver}, after `steps` of small work: it is looked up every few of them. */
  isOverAfter(steps: number): boolean {
    if (this.#isUsedUp) return true
    this.#steps += steps
    if (this.#steps < STEPS) return false
    this.#steps = 0
    return this.isOver
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
    this.#isUsedUp = false
    if (waiting.length === 0) return
    this.#begin(performance.now())
    this.#waiting = []
    let done = 0
    // Those that it does not come to stay before those that ask meanwhile.
    while (done < waiting.length && (done === 0 || !this.isOver)) waiting[done++]!()
    if (done < waiting.length) this.#waiting = [...waiting.slice(done), ...this.#waiting]
  }
}
