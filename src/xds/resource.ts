import { createHash, type Hash } from 'node:crypto'
import { runAtOnce, type Steps } from '../routing/slices.ts'
import { embed, encode, fieldNumber, type Message, typeUrl } from './codec.ts'

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

const ANY = 'google.protobuf.Any'

/** Copied and hashed at a time: a millisecond or less. */
const STEP_BYTES = 256 * 1024

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
  return runAtOnce(resourceOfParts(kind, name, [encode(TYPE_NAMES[kind], message)]))
}

/** Makes a resource of an encoded message, given in parts. */
export function* resourceOfParts(
  kind: ResourceKind,
  name: string,
  parts: readonly Uint8Array[],
): Steps<Resource> {
  const url = embed(fieldNumber(ANY, 'type_url'), [Buffer.from(typeUrl(TYPE_NAMES[kind]))])
  const all = [...url, ...embed(fieldNumber(ANY, 'value'), parts)]
  const any = Buffer.allocUnsafe(all.reduce((sum, { byteLength }) => sum + byteLength, 0))
  const hash = createHash('sha256')
  let start = 0
  let end = 0
  for (const part of all) {
    any.set(part, end)
    end += part.byteLength
    if (end - start < STEP_BYTES) continue
    hash.update(any.subarray(start, end))
    start = end
    yield
  }
  hash.update(any.subarray(start))
  return { name, version: shortened(hash), any }
}

/** Version of several resources together. */
export function versionOf(resources: Iterable<Resource>): string {
  const lines = Array.from(resources, ({ name, version }) => `${name} ${version}\n`)
  return contentHash(lines.sort().join(''))
}

export function contentHash(content: string): string {
  return shortened(createHash('sha256').update(content))
}

function shortened(hash: Hash): string {
  return hash.digest('hex').slice(0, 16)
}
