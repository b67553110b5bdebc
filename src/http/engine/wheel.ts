import { type Clock, systemClock, type Timer } from '../../clock.ts'

/** Ticks of one turn of the wheel. What is further away comes by more than once. */
const SLOTS = 256
const NEVER = Number.MAX_SAFE_INTEGER

/** Something that may be due at one time. {@link Wheel} alone writes its fields. */
export class Deadline {
  /** Tick at which it is due. */
  dueTick = NEVER
  /** Tick at which the wheel looks at it; none: it is in no slot. */
  slotTick = NEVER
  /** Tick at which it was set. */
  setTick = 0
  previous: Deadline | undefined
  next: Deadline | undefined
  /** Called when it is due; it is not set any more by then. */
  readonly expire: () => void

  constructor(expire: () => void) {
    this.expire = expire
  }

  get isSet(): boolean {
    return this.dueTick !== NEVER
  }
}

/**
 * Coarse deadlines of very many things with one timer (a hashed wheel: Varghese and Lauck, 1987). To
 * set, move or clear one is a few writes and no look at the clock: one that is moved away stays where
 * it is until the wheel comes by. Never early, up to two ticks late, unless the event loop itself is
 * late. The timer keeps no process alive and runs only while something is set.
 */
export class Wheel {
  readonly #clock: Clock
  readonly #tickMs: number
  readonly #slots: (Deadline | undefined)[] = new Array(SLOTS).fill(undefined)
  #tick = 0
  #startedMs = 0
  #count = 0
  #timer: Timer | undefined

  /** @param tickMs how coarse it is */
  constructor(tickMs: number, clock: Clock = systemClock) {
    this.#clock = clock
    this.#tickMs = tickMs
  }

  /** Milliseconds that it has turned, as coarse as its ticks; only differences mean anything. */
  get nowMs(): number {
    return this.#tick * this.#tickMs
  }

  /** `deadline` is due in `delayMs`, whatever was set before. */
  set(deadline: Deadline, delayMs: number): void {
    if (this.#timer === undefined) this.#start()
    // One more, since the current tick has partly gone by.
    const dueTick = this.#tick + Math.ceil(delayMs / this.#tickMs) + 1
    deadline.dueTick = dueTick
    deadline.setTick = this.#tick
    if (deadline.slotTick <= dueTick) return
    if (deadline.slotTick !== NEVER) this.#unlink(deadline)
    this.#link(deadline)
  }

  /** Harmless when it is not set. */
  clear(deadline: Deadline): void {
    deadline.dueTick = NEVER
  }

  /** {@link clear}, and lets go of it at once. */
  remove(deadline: Deadline): void {
    deadline.dueTick = NEVER
    if (deadline.slotTick !== NEVER) this.#unlink(deadline)
  }

  /** Lets go of all. */
  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#slots.fill(undefined)
    this.#count = 0
  }

  #start(): void {
    this.#startedMs = this.#clock.now() - this.#tick * this.#tickMs
    this.#arm()
  }

  #arm(): void {
    // Not a tick from now on: late a little each time, it would have to leave one out in the end.
    const nextMs = this.#startedMs + (this.#tick + 1) * this.#tickMs
    this.#timer = this.#clock.setTimer(() => this.#turn(), nextMs - this.#clock.now())
  }

  #turn(): void {
    const now = Math.floor((this.#clock.now() - this.#startedMs) / this.#tickMs)
    const lateTicks = now - this.#tick - 1
    if (lateTicks > 0) this.#postpone(lateTicks)
    // After a long pause each slot needs one look only.
    const from = Math.max(this.#tick + 1, now - SLOTS + 1)
    this.#tick = now
    for (let tick = from; tick <= now; tick++) this.#visit(tick & (SLOTS - 1))
    this.#timer = undefined
    if (this.#count > 0) this.#arm()
  }

  /**
   * What was set since the last turn may have been set at the end of it, when time had gone by that
   * the wheel knows of only now.
   */
  #postpone(ticks: number): void {
    for (let deadline of this.#slots) {
      for (; deadline !== undefined; deadline = deadline.next) {
        const isRecent = deadline.setTick === this.#tick && deadline.isSet
        if (isRecent) deadline.dueTick += ticks
      }
    }
  }

  #visit(slot: number): void {
    // Gathered first: what one of them does may take others out of the slot.
    let due: Deadline[] | undefined
    let deadline = this.#slots[slot]
    while (deadline !== undefined) {
      const { next } = deadline
      if (deadline.slotTick <= this.#tick) {
        this.#unlink(deadline)
        if (deadline.dueTick <= this.#tick) {
          due ??= []
          due.push(deadline)
        } else if (deadline.dueTick !== NEVER) {
          this.#link(deadline)
        }
      }
      deadline = next
    }
    if (due !== undefined) for (const deadline of due) this.#expire(deadline)
  }

  #expire(deadline: Deadline): void {
    // Another one, just now, may have moved or cleared it.
    if (deadline.dueTick > this.#tick) return
    deadline.dueTick = NEVER
    deadline.expire()
  }

  #link(deadline: Deadline): void {
    // No further than one turn: a slot is looked at whenever the wheel comes by.
    deadline.slotTick = Math.min(deadline.dueTick, this.#tick + SLOTS - 1)
    const slot = deadline.slotTick & (SLOTS - 1)
    const head = this.#slots[slot]
    deadline.previous = undefined
    deadline.next = head
    if (head !== undefined) head.previous = deadline
    this.#slots[slot] = deadline
    this.#count++
  }

  #unlink(deadline: Deadline): void {
    const { previous, next } = deadline
    if (previous === undefined) this.#slots[deadline.slotTick & (SLOTS - 1)] = next
    else previous.next = next
    if (next !== undefined) next.previous = previous
    deadline.previous = undefined
    deadline.next = undefined
    deadline.slotTick = NEVER
    this.#count--
  }
}
