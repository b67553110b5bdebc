import { isIP } from 'node:net'
import { FezzError } from '../errors.ts'
import { checkManifestAt, ID_PATTERN, ID_RULE } from '../function/manifest-schema.ts'
import { BALANCES, type Balance } from '../function/placement.ts'
import * as z from '../schema.ts'
import { check, hides, oneOf, reads, says, strict, text, whole } from '../schema.ts'
import { show } from '../show.ts'
import { FunctionEntry } from './function-entry.ts'
import { parseJson } from './json-text.ts'
import { FUNCTIONS } from './keys.ts'
import { NODE_STATES, type NodeEntry, type NodeState, type NodeStatus } from './node-entry.ts'

export { formatFunctionEntry } from './format-entry.ts'

/** Value of `fezz/v1/drains/{id}`: a node that an operator wants drained. */
export interface Drain {
  /** ISO 8601; `""` when it does not say. */
  readonly since: string
}

/**
 * Reads the value of `fezz/v1/functions/{id}`.
 *
 * @throws FezzError `INVALID_ENTRY`, naming key, field and value; never a value that may be a secret
 */
export function parseFunctionEntry(key: string, value: string): FunctionEntry {
  const id = key.startsWith(FUNCTIONS) ? key.slice(FUNCTIONS.length) : lastSegment(key)
  return checkFunctionEntry(jsonOf(key, value), key, id)
}

/**
 * A function's entry out of parsed JSON.
 *
 * @param where what it comes from, for messages: a key, a file
 * @param id the id it has to have; default: the one that its manifest says
 * @throws FezzError `INVALID_ENTRY`
 */
export function checkFunctionEntry(input: unknown, where: string, id?: string): FunctionEntry {
  const { manifest, code, placement, balance } = check(functionSchema, input, refusing(where))
  const checked = readManifest(manifest, where, id)
  if (code !== undefined && checked.execution.image !== undefined) {
    throw invalidEntry(`${where}: code and manifest.image exclude each other; remove one`)
  }
  return new FunctionEntry(checked, { code, placement, balance })
}

/**
 * Reads the value of `fezz/v1/nodes/{id}`. Fields that it does not know are left out: hosts of
 * several versions of Fezz share a store.
 *
 * @throws FezzError `INVALID_ENTRY`
 */
export function parseNodeEntry(key: string, value: string): NodeEntry {
  const node = check(nodeSchema, jsonOf(key, value), refusing(key))
  const id = lastSegment(key)
  if (node.id !== undefined && node.id !== id) {
    throw invalidEntry(`${key}: id ${show(node.id)} is not that of the key; write "${id}"`)
  }
  return Object.freeze({ ...node, id, labels: Object.freeze(node.labels) })
}

/**
 * Reads the value of `fezz/v1/status/{id}`; fields that it does not know are left out.
 *
 * @throws FezzError `INVALID_ENTRY`
 */
export function parseNodeStatus(key: string, value: string): NodeStatus {
  return check(statusSchema, jsonOf(key, value), refusing(key))
}

/**
 * Reads the value of `fezz/v1/drains/{id}`; `{}` will do.
 *
 * @throws FezzError `INVALID_ENTRY`
 */
export function parseDrain(key: string, value: string): Drain {
  return check(drainSchema, jsonOf(key, value), refusing(key))
}

const label = z.string({ error: says('write text, in quotes') })
const labels = z.record(label.check(z.minLength(1, { error: 'is empty; name the label' })), label, {
  error: ({ code }) =>
    code === 'invalid_key'
      ? 'is not a name for a label; write some text'
      : 'is not an object; write labels by name, such as { "disk": "ssd" }',
})
const nodeId = text(ID_PATTERN, `write ${ID_RULE}`)

const code = strict(
  {
    sha256: text(/^[\da-f]{64}$/, 'write the sha256 of bundle.cjs, 64 hex digits in lower case'),
    exportName: z._default(
      text(/^.{1,256}$/, 'write the name of the export, such as "default"'),
      'default',
    ),
    url: z.exactOptional(reads(readUrl)),
  },
  'write { "sha256": "…", "exportName": "default" }',
  hides,
)

const placement = strict(
  {
    nodes: z.exactOptional(
      z
        .array(nodeId, { error: says('write a list of node ids, such as ["node-1"]') })
        .check(z.minLength(1, { error: 'is empty; name a node, or leave it out for all of them' })),
    ),
    labels: z.exactOptional(labels),
  },
  'write { "nodes": ["node-1"] }, { "labels": { "disk": "ssd" } }, or leave it out for everywhere',
)

const functionSchema = strict(
  {
    manifest: reads((input: unknown) => input),
    code: z.optional(code),
    placement: z._default(placement, {}),
    balance: z._default(oneOf<Balance>(BALANCES), 'affinity'),
    // How an editor finds docs/schema/function-entry.v1.json.
    $schema: z.optional(z.string({ error: says('write the address of a JSON schema') })),
  },
  'write an object, such as { "manifest": { "path": "/hello" }, "code": { "sha256": "…" } }',
  hides,
)

const advice = 'write an object, as docs/schema/node-entry.v1.json describes it'
const word = z.string({ error: says('write text') })
const time = reads(readTime)

const nodeSchema = z.object(
  {
    id: z.optional(nodeId),
    address: reads(readAddress),
    port: whole(1, 65_535),
    zone: z._default(word, ''),
    labels: z._default(labels, {}),
    capacity: z._default(whole(1, 128), 1),
    state: oneOf<NodeState>(NODE_STATES),
    run: word,
    version: word,
    startedAt: time,
  },
  { error: hides(advice) },
)

const statusSchema = z.object(
  {
    revision: text(/^\d{1,40}$/, 'write the digits of a revision, in quotes'),
    functions: whole(0, Number.MAX_SAFE_INTEGER),
    problems: z._default(
      z.array(z.object({ id: word, message: word }, { error: hides('write id and message') }), {
        error: hides('write a list'),
      }),
      [],
    ),
  },
  { error: hides('write an object with revision, functions and problems') },
)

const drainSchema = z.object(
  { since: z._default(time, '') },
  { error: hides('write { "since": "2026-11-21T12:00:00Z" }') },
)

/** What signs a URL is a secret, and stands in its query. */
function readUrl(input: unknown): string {
  const url = typeof input === 'string' ? URL.parse(input) : null
  if (url === null) throw new RangeError('is not a URL; write one such as "https://…/bundle.cjs"')
  if (url.protocol === 'http:' || url.protocol === 'https:') return input as string
  throw new RangeError(`begins with "${url.protocol}"; write one that begins with "https:"`)
}

function readAddress(input: unknown): string {
  if (typeof input === 'string' && isIP(input) !== 0) return input
  throw new RangeError(says('write an IP address, such as "10.0.0.1"')({ input }))
}

function readTime(input: unknown): string {
  if (
    typeof input === 'string' &&
    /^\d{4}-\d\d-\d\dT/.test(input) &&
    !Number.isNaN(Date.parse(input))
  ) {
    return input
  }
  throw new RangeError(says('write a time such as "2026-11-21T12:00:00Z"')({ input }))
}

function readManifest(input: unknown, where: string, id: string | undefined) {
  const refuse = refusing(where)
  if (id !== undefined && !ID_PATTERN.test(id)) {
    throw refuse(`the key ends in ${show(id)}, which is no id; write ${ID_RULE}`)
  }
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw refuse(`manifest ${hides('write an object, such as { "path": "/hello" }')({ input })}`)
  }
  const own = (input as { readonly id?: unknown }).id
  if (id !== undefined && own !== undefined && own !== id) {
    throw refuse(`manifest.id ${show(own)} is not that of the key; write "${id}", or leave it out`)
  }
  try {
    return checkManifestAt(id === undefined ? input : { ...input, id }, `${where}, manifest`)
  } catch (error) {
    if (error instanceof FezzError) throw invalidEntry(error.message)
    throw error
  }
}

function jsonOf(key: string, value: string): unknown {
  try {
    return parseJson(value)
  } catch (error) {
    throw invalidEntry(`${key}: ${(error as Error).message}`)
  }
}

function lastSegment(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1)
}

const refusing = (where: string) => (problem: string) => invalidEntry(`${where}: ${problem}`)

function invalidEntry(message: string): FezzError {
  return new FezzError('INVALID_ENTRY', message)
}
