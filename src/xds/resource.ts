import { createHash } from 'node:crypto'
import { type EncodedAny, embed, encode, type Message, typeUrl } from './codec.ts'

/** The kinds of resource that are served, in the order in which a change has to reach Envoy. */
export const KINDS = ['clusters', 'endpoints', 'listeners', 'routes'] as const
export type ResourceKind = (typeof KINDS)[number]

/** Type of each kind's resources in Envoy's API. */
export const TYPE_NAMES: Readonly<Record<ResourceKind, string>> = {
  clusters: 'envoy.config.cluster.v3.Cluster',
  endpoints: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  listeners: 'envoy.config.listener.v3.Listener',
  routes: 'envoy.config.route.v3.RouteConfiguration',
}

const KIND_BY_URL = new Map(KINDS.map(kind => [typeUrl(TYPE_NAMES[kind]), kind]))

/** `undefined` for a type that is not served. */
export function kindOfUrl(url: string): ResourceKind | undefined {
  return KIND_BY_URL.get(url)
}

/** One resource, encoded. */
export interface Resource {
  readonly name: string
  /** Of its content alone, so that servers side by side agree. */
  readonly version: string
  /** A `google.protobuf.Any` with it inside. */
  readonly any: Uint8Array
}

/** The resources of one kind, by name. */
export type ResourceMap = ReadonlyMap<string, Resource>

/** All that an Envoy is told. */
export type Snapshot = Readonly<Record<ResourceKind, ResourceMap>>

/** Makes a resource of a message in JSON form. */
export function resourceOf(kind: ResourceKind, name: string, message: Message): Resource {
  return resourceOfBytes(kind, name, encode(TYPE_NAMES[kind], message))
}

/** Makes a resource of an encoded message. */
export function resourceOfBytes(kind: ResourceKind, name: string, value: Uint8Array): Resource {
  const any: EncodedAny = { type_url: typeUrl(TYPE_NAMES[kind]), value }
  return { name, version: contentHash(value), any: anyBytes(any) }
}

/** Version of several resources together. */
export function versionOf(resources: Iterable<Resource>): string {
  const lines = Array.from(resources, ({ name, version }) => `${name} ${version}\n`)
  return contentHash(lines.sort().join(''))
}

export function contentHash(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 16)
}

/** As {@link encode} does it for an Any, without a copy through protobufjs. */
function anyBytes({ type_url, value }: EncodedAny): Uint8Array {
  return Buffer.concat([embed(1, Buffer.from(type_url)), embed(2, value)])
}
