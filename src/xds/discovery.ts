import { decode, embed, encode, fieldNumber, typeUrl } from './codec.ts'
import { type Resource, type ResourceKind, TYPE_NAMES } from './resource.ts'

/** The two forms of the protocol: the state of the world, and what has changed. */
export const VARIANTS = ['sotw', 'delta'] as const
export type Variant = (typeof VARIANTS)[number]

const PACKAGE = 'envoy.service.discovery.v3'
const RESPONSE = `${PACKAGE}.DiscoveryResponse`
const DELTA_RESPONSE = `${PACKAGE}.DeltaDiscoveryResponse`
const RESOURCE = `${PACKAGE}.Resource`

/** What both forms of request have. */
interface Request {
  readonly node: { readonly id: string; readonly cluster: string } | null
  readonly type_url: string
  readonly response_nonce: string
  /** Set in a refusal (NACK). */
  readonly error_detail: { readonly message: string } | null
}

export interface SotwRequest extends Request {
  readonly version_info: string
  readonly resource_names: readonly string[]
}

export interface DeltaRequest extends Request {
  readonly resource_names_subscribe: readonly string[]
  readonly resource_names_unsubscribe: readonly string[]
  readonly initial_resource_versions: Readonly<Record<string, string>>
}

/** @throws Error when the bytes are no such message */
export function decodeRequest(bytes: Uint8Array): SotwRequest {
  return decode(`${PACKAGE}.DiscoveryRequest`, bytes)
}

/** @throws Error when the bytes are no such message */
export function decodeDeltaRequest(bytes: Uint8Array): DeltaRequest {
  return decode(`${PACKAGE}.DeltaDiscoveryRequest`, bytes)
}

export function encodeResponse(
  kind: ResourceKind,
  version: string,
  nonce: string,
  resources: readonly Resource[],
): Uint8Array {
  const head = { version_info: version, nonce, type_url: typeUrl(TYPE_NAMES[kind]) }
  const field = fieldNumber(RESPONSE, 'resources')
  return Buffer.concat([
    encode(RESPONSE, head),
    ...resources.flatMap(({ any }) => embed(field, [any])),
  ])
}

export function encodeDeltaResponse(
  kind: ResourceKind,
  version: string,
  nonce: string,
  resources: readonly Resource[],
  removed: readonly string[],
): Uint8Array {
  const head = encode(DELTA_RESPONSE, {
    system_version_info: version,
    nonce,
    type_url: typeUrl(TYPE_NAMES[kind]),
    removed_resources: removed,
  })
  const outer = fieldNumber(DELTA_RESPONSE, 'resources')
  const inner = fieldNumber(RESOURCE, 'resource')
  const fields = resources.flatMap(({ name, version, any }) =>
    embed(outer, [encode(RESOURCE, { name, version }), ...embed(inner, [any])]),
  )
  return Buffer.concat([head, ...fields])
}
