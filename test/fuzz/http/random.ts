/** Numbers that look random and are the same for the same seed (sfc32, by Chris Doty-Humphrey). */
export class Random {
  #a: number
  #b: number
  #c = 0x9e3779b9
  #count = 1

  /** @param stream each has numbers of its own under one seed */
  constructor(seed: number, stream = 0) {
    this.#a = seed | 0
    this.#b = stream | 0
    for (let i = 0; i < 12; i++) this.#next()
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#count) | 0
    this.#count = (this.#count + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** A whole number from 0 to `end` - 1. */
  below(end: number): number {
    return Math.floor((this.#next() / 0x1_0000_0000) * end)
  }

  /** True once in `times`. */
  oneIn(times: number): boolean {
    return this.below(times) === 0
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }

  /** One of `usual`, once in `times` one of `odd`. */
  mostly<T>(usual: readonly T[], odd: readonly T[], times: number): T {
    return this.pick(this.oneIn(times) ? odd : usual)
  }
}
