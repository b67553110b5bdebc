import protobuf from 'protobufjs'
import { PROTO_FILES } from './proto.ts'

/**
 * A message in the JSON form that Envoy's YAML files and its config_dump have too: snake_case names,
 * durations as `"0.250s"`, wrapped numbers bare, enums by name, `@type` in an Any.
 */
export type Message = Readonly<Record<string, unknown>>

/** An Any whose message is encoded already. */
export interface EncodedAny {
  readonly type_url: string
  readonly value: Uint8Array
}

const PREFIX = 'type.googleapis.com/'
const DURATION = /^(\d+)(?:\.(\d{1,9}))?s$/

let root: protobuf.Root | undefined

/** @param typeName full, such as `envoy.config.cluster.v3.Cluster` */
export function typeUrl(typeName: string): string {
  return PREFIX + typeName
}

/**
 * Encodes a message of one of the types in proto.ts.
 *
 * @throws TypeError for a field or an enum's value that is not there: a mistake in this folder
 */
export function encode(typeName: string, message: Message): Uint8Array {
  const type = lookup(typeName)
  return type.encode(plain(type, message)).finish()
}

/** An Any with a message of the type inside. */
function encodeAny(typeName: string, message: Message): EncodedAny {
  return { type_url: typeUrl(typeName), value: encode(typeName, message) }
}

/**
 * Decodes a message as protobufjs does it (wrappers and durations as objects, bytes as Buffers), every
 * default filled in; fields that proto.ts does not have are dropped.
 *
 * @throws Error when the bytes are not such a message
 */
export function decode<T>(typeName: string, bytes: Uint8Array): T {
  const type = lookup(typeName)
  return type.toObject(type.decode(bytes), { defaults: true, objects: true, arrays: true }) as T
}

/** Number of a field, for {@link embed}. */
export function fieldNumber(typeName: string, field: string): number {
  const found = lookup(typeName).fields[field]
  if (found === undefined) throw new TypeError(`${typeName} has no field ${field}`)
  return found.id
}

/**
 * A field whose content (a message, text, bytes) is encoded already, in parts, ready to be put into
 * the parts of the message around it. Fields of one message may come in any order. What is large is
 * so copied once, at the end.
 */
export function embed(field: number, content: readonly Uint8Array[]): Uint8Array[] {
  const length = content.reduce((sum, { byteLength }) => sum + byteLength, 0)
  return [varint((field << 3) | 2), varint(length), ...content]
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128)
  bytes.push(value)
  return Buffer.from(bytes)
}

/** Made when first needed: a host without Envoy does not pay for it. */
function lookup(typeName: string): protobuf.Type {
  if (root === undefined) {
    root = new protobuf.Root()
    for (const file of PROTO_FILES) protobuf.parse(file, root, { keepCase: true })
    root.resolveAll()
  }
  return root.lookupType(typeName)
}

/** The form that protobufjs encodes without another look at it. */
function plain(type: protobuf.Type, message: Message): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(message)) {
    const field = type.fields[name]
    if (field === undefined) throw new TypeError(`${type.fullName} has no field ${name}`)
    if (value === undefined) continue
    if (field.repeated) {
      result[name] = (value as readonly unknown[]).map(item => plainValue(field, item))
    } else if (field.map) {
      const entries = Object.entries(value as Message)
      result[name] = Object.fromEntries(
        entries.map(([key, item]) => [key, plainValue(field, item)]),
      )
    } else {
      result[name] = plainValue(field, value)
    }
  }
  return result
}

function plainValue(field: protobuf.Field, value: unknown): unknown {
  const type = field.resolvedType
  if (type instanceof protobuf.Enum) {
    const number = type.values[value as string]
    if (number === undefined) throw new TypeError(`${type.fullName} has no value ${String(value)}`)
    return number
  }
  return type instanceof protobuf.Type ? plainMessage(type, value) : value
}

function plainMessage(type: protobuf.Type, value: unknown): unknown {
  switch (type.fullName) {
    case '.google.protobuf.Any':
      return plainAny(value as Message)
    case '.google.protobuf.Duration':
      return parseDuration(value as string)
    case '.google.protobuf.BoolValue':
    case '.google.protobuf.UInt32Value':
    case '.google.protobuf.UInt64Value':
      return { value }
    case '.google.protobuf.Struct':
      return structOf(value as Message)
    default:
      return plain(type, value as Message)
  }
}

function plainAny(any: Message | EncodedAny): unknown {
  if (!('@type' in any)) return any
  const { '@type': url, ...message } = any
  const typeName = (url as string).slice(PREFIX.length)
  return encodeAny(typeName, message)
}

function parseDuration(text: string): { seconds: number; nanos: number } {
  const match = DURATION.exec(text)
  if (match === null) throw new TypeError(`${JSON.stringify(text)} is not a duration like "0.5s"`)
  return { seconds: Number(match[1]), nanos: Number((match[2] ?? '').padEnd(9, '0')) }
}

function structOf(object: Message): unknown {
  const fields = Object.entries(object).map(([name, value]) => [name, protoValue(value)])
  return { fields: Object.fromEntries(fields) }
}

function protoValue(value: unknown): unknown {
  if (typeof value === 'string') return { string_value: value }
  if (typeof value === 'number') return { number_value: value }
  if (typeof value === 'boolean') return { bool_value: value }
  return { struct_value: structOf(value as Message) }
}
