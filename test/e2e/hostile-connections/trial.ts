import { setTimeout as sleep } from 'node:timers/promises'
import type { FezzErrorCode } from '../../../src/errors.ts'
import type { AttackedHost } from './attacked-host.ts'
import { Attacker } from './attacker.ts'
import type { Attack } from './attacks.ts'
import type { NormalClients, Seen } from './normal-clients.ts'

const ATTACKERS = 100
/** Not all in one turn of the host: what a function costs by itself is not what is measured. */
const APART_MS = 10
/** Enough for a 99th percentile of 200 requests a second. */
const MEASURED_MS = 2_500
/** Each limit is passed long before. */
const PATIENCE_MS = 25_000

/** What 100 connections of one kind have done. */
export interface Trial {
  readonly name: string
  readonly alone: Seen
  readonly attacked: Seen
  /** How many connections ended in which way. */
  readonly outcomes: Readonly<Record<string, number>>
  /** How many the host has counted, by code. */
  readonly counted: Readonly<Partial<Record<FezzErrorCode, number>>>
  /** Descriptors that the host had more than before, while no attacker had closed its side. */
  readonly left: number
}

/**
 * Measures the normal clients alone, then with attackers. Those stay until the host has ended them
 * by itself; repeated ones come anew until enough is measured.
 */
export async function tryAttack(
  host: AttackedHost,
  clients: NormalClients,
  attack: Attack,
): Promise<Trial> {
  const countedBefore = await host.rejected()
  await clients.look()
  await sleep(MEASURED_MS)
  const alone = await clients.look()
  const before = host.descriptors

  const attackers = new Attackers(host.port, attack)
  for (let count = 1; count <= ATTACKERS; count++) {
    attackers.fill(count)
    await sleep(APART_MS)
  }
  const startedMs = performance.now()
  const measured = () => performance.now() - startedMs > MEASURED_MS
  const tooLong = () => performance.now() - startedMs > PATIENCE_MS
  // Not before all are there: a host without them has not ended them.
  while (!measured() || (host.descriptors > before && !attack.isRepeated && !tooLong())) {
    await sleep(20)
    if (attack.isRepeated) attackers.fill(ATTACKERS)
  }
  const attacked = await clients.look()
  while (host.descriptors > before && !tooLong()) await sleep(20)
  const left = host.descriptors - before
  const outcomes = await attackers.outcomes()
  attackers.destroy()
  const counted = difference(await host.rejected(), countedBefore)
  return { name: attack.name, alone, attacked, outcomes, counted, left }
}

class Attackers {
  readonly #port: number
  readonly #attack: Attack
  readonly #all: Attacker[] = []
  #open: Attacker[] = []

  constructor(port: number, attack: Attack) {
    this.#port = port
    this.#attack = attack
  }

  /** As many as that; of a repeated attack, without those that have ended. */
  fill(count: number): void {
    if (this.#attack.isRepeated) this.#open = this.#open.filter(({ isOver }) => !isOver)
    while (this.#open.length < count) {
      const attacker = new Attacker(this.#port)
      this.#attack.begin(attacker)
      this.#open.push(attacker)
      this.#all.push(attacker)
    }
  }

  async outcomes(): Promise<Record<string, number>> {
    // Who has read nothing sees only now how it has ended.
    for (const { socket } of this.#all) socket.on('data', () => {}).resume()
    for (let looks = 0; looks < 50 && this.#all.some(({ isOver }) => !isOver); looks++) {
      await sleep(100)
    }
    const counts: Record<string, number> = {}
    for (const { outcome } of this.#all) counts[outcome] = (counts[outcome] ?? 0) + 1
    return counts
  }

  destroy(): void {
    for (const attacker of this.#all) attacker.destroy()
  }
}

function difference(
  after: Readonly<Record<string, number>>,
  before: Readonly<Record<string, number>>,
): Record<string, number> {
  const changed = Object.entries(after).map(
    ([code, count]) => [code, count - (before[code] ?? 0)] as const,
  )
  return Object.fromEntries(changed.filter(([, count]) => count > 0))
}
