import type { Address } from '../http/address.ts'
import type { Sign } from '../http/readiness.ts'
import type { ContainerFacts } from './engine.ts'

/** A place where a container may be found, and how it shows that it is there. */
export interface Candidate {
  readonly kind: 'socket' | 'direct' | 'published'
  readonly address: Address
  /** Unless its function has a path for that. */
  readonly sign: Sign
}

const CONNECTION: Sign = { kind: 'connection' }
// A proxy of the engine's may accept for a container that does not listen yet.
const ANSWER: Sign = { kind: 'answer' }

/**
 * How containers are reached with this engine: by their own address, as on Linux, or by a port that
 * it publishes, as where it runs in a virtual machine or without root. The first container tells;
 * those after it are spared the other.
 */
export class Reach {
  #known: 'direct' | 'published' | undefined

  /** Whether a new container is to be published. */
  get publishes(): boolean {
    return this.#known !== 'direct'
  }

  learn({ kind }: Candidate): void {
    if (kind !== 'socket') this.#known ??= kind
  }

  /** For when a container was not found: the network may have changed. */
  unlearn(): void {
    this.#known = undefined
  }

  /** Where a running container may be found. */
  candidates(
    { NetworkSettings: network }: ContainerFacts,
    port: number | undefined,
    socketPath: string | undefined,
  ): readonly Candidate[] {
    const found: Candidate[] = []
    if (socketPath !== undefined) {
      found.push({ kind: 'socket', address: { socketPath }, sign: CONNECTION })
    }
    if (port === undefined) return found
    const host = Object.values(network.Networks ?? {}).find(one => one.IPAddress)?.IPAddress
    if (host !== undefined && this.#known !== 'published') {
      found.push({ kind: 'direct', address: { host, port }, sign: CONNECTION })
    }
    const published = Number(network.Ports?.[`${port}/tcp`]?.[0]?.HostPort ?? 0)
    if (published > 0 && this.#known !== 'direct') {
      const address = { host: '127.0.0.1', port: published }
      found.push({ kind: 'published', address, sign: ANSWER })
    }
    return found
  }
}
