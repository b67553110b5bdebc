import type { Clock } from '../clock.ts'

/** Something that must be over by a certain time. All of it belongs to {@link Deadlines}. */
export interface Deadline {
  expiresMs: number
  previous: this | undefined
  next: this | undefined
  list: DeadlineList<this> | undefined
}

/** The deadlines of one duration, earliest first. */
export interface DeadlineList<T> {
  readonly durationMs: number
  head: T | undefined
  tail: T | undefined
}

/**
 * Deadlines without a timer each. Those of the same duration expire in the order they were set, so
 * each duration is a queue with one timer for its head; setting and clearing are a few pointer
 * writes. A timer is not cancelled when its deadline is cleared: it fires, finds who is due, and
 * moves on.
 */
export class Deadlines<T extends Deadline> {
  readonly #clock: Clock
  readonly #expire: (deadline: T) => void
  readonly #lists = new Map<number, DeadlineList<T>>()

  constructor(clock: Clock, expire: (deadline: T) => void) {
    this.#clock = clock
    this.#expire = expire
  }

  /** `deadline` expires `durationMs` after `nowMs`, the clock's now. One that is set is moved. */
  set(deadline: T, durationMs: number, nowMs: number): void {
    this.clear(deadline)
    let list = this.#lists.get(durationMs)
    if (list === undefined) {
      list = { durationMs, head: undefined, tail: undefined }
      this.#lists.set(durationMs, list)
      this.#arm(list, durationMs)
    }
    deadline.expiresMs = nowMs + durationMs
    deadline.list = list
    deadline.previous = list.tail
    if (list.tail === undefined) list.head = deadline
    else list.tail.next = deadline
    list.tail = deadline
  }

  /** Harmless when it has expired or was never set. */
  clear(deadline: T): void {
    const { list, previous, next } = deadline
    if (list === undefined) return
    if (previous === undefined) list.head = next
    else previous.next = next
    if (next === undefined) list.tail = previous
    else next.previous = previous
    deadline.list = undefined
    deadline.previous = undefined
    deadline.next = undefined
  }

  #arm(list: DeadlineList<T>, delayMs: number): void {
    this.#clock.setTimer(() => {
      const nowMs = this.#clock.now()
      try {
        while (list.head !== undefined && list.head.expiresMs <= nowMs) {
          const due = list.head
          this.clear(due)
          this.#expire(due)
        }
      } finally {
        // Also when one of them throws: the others must not wait for ever.
        if (list.head === undefined) this.#lists.delete(list.durationMs)
        else this.#arm(list, Math.max(1, list.head.expiresMs - nowMs))
      }
    }, delayMs)
  }
}
