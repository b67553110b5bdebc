import type { Socket } from 'node:net'
import { FezzError } from '../errors.ts'

/** Refused connections that get an answer; the others of a flood are cut, which costs least. */
const MAX_ANSWERED = 64

/** Time for a refused connection to ask for something, and to read the answer. */
export const REFUSED_MS = 1_000

/** Counts the connections of a listener, in all and by address. */
export class ConnectionLimits {
  readonly #maxTotal: number
  readonly #maxPerAddress: number
  readonly #byAddress = new Map<string, number>()
  #total = 0
  #refused = 0

  /** @param maxPerAddress both: 0 is no bound */
  constructor(maxTotal: number, maxPerAddress: number) {
    this.#maxTotal = maxTotal
    this.#maxPerAddress = maxPerAddress
  }

  /**
   * Counts a new connection until it closes.
   *
   * @returns why its first request is to be refused; `undefined` when there is room for it
   */
  admit(socket: Socket, address: string): FezzError | undefined {
    const refusal = this.#refusal(address)
    if (refusal === undefined) this.#count(socket, address)
    else this.#countRefused(socket)
    return refusal
  }

  #refusal(address: string): FezzError | undefined {
    if (this.#maxTotal > 0 && this.#total >= this.#maxTotal) {
      return tooMany('The host has all the connections it takes')
    }
    const ofAddress = this.#byAddress.get(address) ?? 0
    if (this.#maxPerAddress > 0 && ofAddress >= this.#maxPerAddress) {
      return tooMany('The host has all the connections it takes from this address')
    }
    return undefined
  }

  #count(socket: Socket, address: string): void {
    this.#total++
    if (this.#maxPerAddress > 0) {
      this.#byAddress.set(address, (this.#byAddress.get(address) ?? 0) + 1)
    }
    socket.once('close', () => {
      this.#total--
      const ofAddress = this.#byAddress.get(address) ?? 0
      if (ofAddress > 1) this.#byAddress.set(address, ofAddress - 1)
      else this.#byAddress.delete(address)
    })
  }

  #countRefused(socket: Socket): void {
    if (this.#refused >= MAX_ANSWERED) {
      socket.destroy()
      return
    }
    this.#refused++
    socket.once('close', () => {
      this.#refused--
    })
  }
}

function tooMany(message: string): FezzError {
  return new FezzError('OVERLOADED', message, { headers: { 'retry-after': '1' } })
}
