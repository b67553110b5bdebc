import { randomUUID } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import type { NodeEntry } from '../control-plane/node-entry.ts'
import { FezzError } from '../errors.ts'
import type { ListenerAddress } from '../http/listener.ts'
import { version } from '../telemetry/version.ts'
import type { HostConfig } from './config.ts'

/**
 * What this host says of itself to the control plane, save its state.
 *
 * @param listening where its listener is
 * @throws FezzError `INVALID_CONFIG` when its address cannot be told
 */
export async function nodeIdentity(
  config: HostConfig,
  listening: ListenerAddress,
): Promise<Omit<NodeEntry, 'state'>> {
  const { nodeId, nodeZone, nodeLabels, nodeCapacity } = config
  const { port } = listening
  return {
    id: nodeId === '' ? nodeIdOf(hostname(), port) : nodeId,
    address: await addressOf(config.nodeAddress === '' ? config.host : config.nodeAddress),
    port,
    zone: nodeZone,
    labels: nodeLabels,
    capacity: nodeCapacity,
    run: randomUUID(),
    version,
    startedAt: new Date().toISOString(),
  }
}

function nodeIdOf(machine: string, port: number): string {
  const safe = machine.replace(/[^\w.-]/g, '-').replace(/^[^a-z\d]+/i, '')
  return `${safe === '' ? 'node' : safe.slice(0, 120)}-${port}`
}

async function addressOf(host: string): Promise<string> {
  if (host === '0.0.0.0' || host === '::') return firstAddress()
  if (isIP(host) !== 0) return host
  try {
    return (await lookup(host, { order: 'ipv4first' })).address
  } catch (cause) {
    throw new FezzError(
      'INVALID_CONFIG',
      `the address of ${host} cannot be found; write the IP address at which proxies reach this host as --node-address`,
      { cause },
    )
  }
}

/** The first address of the machine that others can reach; loopback where there is no network. */
function firstAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap(each => each ?? [])
  const outward = addresses.filter(({ internal, scopeid }) => !internal && !scopeid)
  const best = outward.find(({ family }) => family === 'IPv4') ?? outward[0]
  return best?.address ?? '127.0.0.1'
}
