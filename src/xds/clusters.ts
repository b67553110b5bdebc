import { isIP } from 'node:net'
import { byId } from '../by-id.ts'
import { type Balance, isPlacedOn, type Placement } from '../function/placement.ts'
import type { Message } from './codec.ts'
import { BALANCE_POLICY, CLUSTER_POLICY } from './policy.ts'
import { contentHash, type Resource, type ResourceMap, resourceOf } from './resource.ts'
import type { NodeView } from './view.ts'

/** Nodes that functions share, and how requests are spread over them. */
export interface ClusterSpec {
  /** Of placement and balance alone. */
  readonly name: string
  readonly placement: Placement
  readonly balance: Balance
}

/** All nodes alike: what no route of a function takes goes there. */
export const ALL_NODES: ClusterSpec = clusterSpec({}, 'spread')

/** Of all nodes one by one function: the cluster of most functions. */
export const ALL_NODES_BY_FUNCTION: ClusterSpec = clusterSpec({}, 'affinity')

/**
 * No host has more than this share of the mean load, in percent; what is over goes to the next host
 * of the ring.
 */
const BALANCE_FACTOR = 200

/** Points on the ring, all hosts together: enough that their shares differ by few percent. */
const RING_SIZE = 4096

/** The cluster of functions that are placed and balanced like this. */
export function clusterSpec(placement: Placement, balance: Balance): ClusterSpec {
  const nodes = placement.nodes && [...new Set(placement.nodes)].sort()
  const labels = Object.entries(placement.labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
  const isEverywhere = nodes === undefined && labels.length === 0
  const key = isEverywhere ? 'all' : contentHash(JSON.stringify([nodes ?? null, labels]))
  return { name: `fezz-${balance}-${key}`, placement, balance }
}

/** Envoy's cluster: everything but its endpoints. */
export function clusterResource({ name, balance }: ClusterSpec): Resource {
  return resourceOf('clusters', name, {
    ...CLUSTER_POLICY,
    name,
    type: 'EDS',
    eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' } },
    ...(balance === 'spread' ? SPREAD : AFFINITY),
  })
}

const SPREAD: Message = { lb_policy: 'LEAST_REQUEST', common_lb_config: BALANCE_POLICY }

const AFFINITY: Message = {
  lb_policy: 'RING_HASH',
  ring_hash_lb_config: { minimum_ring_size: RING_SIZE },
  common_lb_config: {
    ...BALANCE_POLICY,
    consistent_hashing_lb_config: { hash_balance_factor: BALANCE_FACTOR },
  },
}

/** The endpoints of each cluster. */
export function endpointResources(
  clusters: Iterable<ClusterSpec>,
  nodes: readonly NodeView[],
): ResourceMap {
  const usable = usableNodes(nodes)
  const resources = new Map<string, Resource>()
  for (const { name, placement } of clusters) {
    const placed = usable.filter(node => isPlacedOn(placement, node))
    resources.set(name, resourceOf('endpoints', name, loadAssignment(name, placed)))
  }
  return resources
}

/**
 * Without those that have not started, that Envoy would refuse (and all others with them), or that
 * have left their address to another node; in one order, however they came.
 */
function usableNodes(nodes: readonly NodeView[]): readonly NodeView[] {
  const byAddress = new Map<string, NodeView>()
  for (const node of [...nodes].sort(byId)) {
    if (node.state === 'starting' || !isUsable(node)) continue
    const address = `${node.address} ${node.port}`
    if (byAddress.get(address)?.state !== 'ready') byAddress.set(address, node)
  }
  return [...byAddress.values()]
}

/** Whether Envoy would take it: an IP address and a port. */
export function isUsable({ address, port }: NodeView): boolean {
  return isIP(address) !== 0 && Number.isInteger(port) && port > 0 && port < 65_536
}

function loadAssignment(cluster: string, nodes: readonly NodeView[]): Message {
  const zones = [...new Set(nodes.map(({ zone }) => zone))].sort()
  return {
    cluster_name: cluster,
    endpoints: zones.map(zone => ({
      locality: { zone },
      lb_endpoints: nodes.filter(node => node.zone === zone).map(endpoint),
    })),
  }
}

function endpoint({ id, address, port, capacity, state }: NodeView): Message {
  return {
    endpoint: { address: { socket_address: { address, port_value: port } } },
    health_status: state === 'ready' ? 'HEALTHY' : 'DRAINING',
    load_balancing_weight: Math.min(128, Math.max(1, Math.round(capacity) || 1)),
    // Its place on the ring: a node that comes back with another address has its functions again.
    metadata: { filter_metadata: { 'envoy.lb': { hash_key: id } } },
  }
}
