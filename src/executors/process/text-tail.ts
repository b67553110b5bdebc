/** The end of a text that comes in pieces. */
export class TextTail {
  readonly #maxChars: number
  #text = ''

  constructor(maxChars: number) {
    this.#maxChars = maxChars
  }

  add(piece: Buffer): void {
    this.#text = (this.#text + piece.toString('utf8')).slice(-this.#maxChars)
  }

  toString(): string {
    return this.#text
  }
}
