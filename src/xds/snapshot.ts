import { runAtOnce, type Steps } from '../routing/slices.ts'
import {
  ALL_NODES,
  ALL_NODES_BY_FUNCTION,
  type ClusterSpec,
  clusterResource,
  clusterSpec,
  endpointResources,
} from './clusters.ts'
import { type ListenerOptions, listenerResource } from './listener.ts'
import type { Resource, ResourceMap, Snapshot } from './resource.ts'
import type { EntryCache } from './route-matcher.ts'
import { buildRoutes } from './routes.ts'
import type { ClusterView, FunctionView } from './view.ts'

export interface SnapshotOptions {
  /** Where Envoy takes requests. */
  readonly listener?: ListenerOptions
}

/** What follows from the functions alone. */
export interface Routing {
  /** By name. */
  readonly specs: ReadonlyMap<string, ClusterSpec>
  readonly clusters: ResourceMap
  readonly listeners: ResourceMap
  readonly routes: ResourceMap
  /** Of each function, by id. */
  readonly clusterOf: ReadonlyMap<string, string>
  /** Whether a function has another cluster than in the one before. */
  readonly hasMoves: boolean
  /** For the next one. */
  readonly cache: EntryCache
}

/** Everything that Envoy is told about `view`; the same for the same view, wherever it is made. */
export function snapshotOf(view: ClusterView, options: SnapshotOptions = {}): Snapshot {
  const { specs, clusters, listeners, routes } = runAtOnce(buildRouting(view.functions, options))
  return { clusters, endpoints: endpointResources(specs.values(), view.nodes), listeners, routes }
}

/** @param previous the one before, whose unchanged parts are taken over */
export function* buildRouting(
  functions: readonly FunctionView[],
  options: SnapshotOptions,
  previous?: Routing,
): Steps<Routing> {
  // Both are there from the start: a cluster that comes later costs time to get warm.
  const specs = new Map([ALL_NODES, ALL_NODES_BY_FUNCTION].map(spec => [spec.name, spec]))
  const clusterOf = new Map<string, string>()
  let hasMoves = false
  for (const { id, placement, balance } of functions) {
    const spec = clusterSpec(placement, balance)
    specs.set(spec.name, spec)
    clusterOf.set(id, spec.name)
    hasMoves ||= (previous?.clusterOf.get(id) ?? spec.name) !== spec.name
    yield
  }
  const clusters = new Map<string, Resource>()
  for (const name of [...specs.keys()].sort()) {
    clusters.set(name, previous?.clusters.get(name) ?? clusterResource(specs.get(name)!))
    yield
  }
  const { resource, cache } = yield* buildRoutes(
    functions,
    ({ id }) => clusterOf.get(id)!,
    previous?.cache,
  )
  const listener = listenerResource(options.listener)
  return {
    specs,
    clusters,
    listeners: new Map([[listener.name, listener]]),
    routes: new Map([[resource.name, resource]]),
    clusterOf,
    hasMoves,
    cache,
  }
}
