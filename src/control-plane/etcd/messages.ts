/**
 * The part of etcd's API (v3, rpc.proto) that is used here, as etcd3 gives it: names as in the
 * protocol, 64 bit numbers as decimal strings, defaults filled in.
 */
export interface Header {
  readonly cluster_id: string
  readonly revision: string
  readonly raft_term: string
}

interface KeyValue {
  readonly key: Buffer
  readonly value: Buffer
  readonly mod_revision: string
}

interface Answer {
  readonly header: Header
}

export interface RangeAnswer extends Answer {
  readonly kvs: readonly KeyValue[]
  readonly more: boolean
}

interface TxnAnswer extends Answer {
  readonly succeeded: boolean
}

interface DeleteAnswer extends Answer {
  readonly deleted: string
}

export interface LeaseAnswer extends Answer {
  readonly ID: string
  /** Seconds; not above 0 when there is no such lease. */
  readonly TTL: string
}

export interface WatchAnswer extends Answer {
  readonly created: boolean
  readonly canceled: boolean
  /** `"0"` unless the changes asked for are compacted. */
  readonly compact_revision: string
  readonly cancel_reason: string
  readonly events: readonly { readonly type: 'Put' | 'Delete'; readonly kv: KeyValue }[]
}

/** The methods that are called, and what answers them. */
export interface UnaryAnswers {
  readonly 'KV.range': RangeAnswer
  readonly 'KV.put': Answer
  readonly 'KV.deleteRange': DeleteAnswer
  readonly 'KV.txn': TxnAnswer
  readonly 'Lease.leaseGrant': LeaseAnswer
  readonly 'Lease.leaseRevoke': Answer
  readonly 'Auth.authenticate': Answer & { readonly token: string }
}

/** The methods that are streams both ways, and what each message of the answer is. */
export interface StreamAnswers {
  readonly 'Watch.watch': WatchAnswer
  readonly 'Lease.leaseKeepAlive': LeaseAnswer
}

const ZERO = Buffer.of(0)

/** The keys that begin with `prefix`, as etcd wants to be told: from `key` to before `range_end`. */
export function rangeOf(prefix: string): { readonly key: Buffer; readonly range_end: Buffer } {
  const key = Buffer.from(prefix)
  const end = Buffer.from(key)
  for (let index = end.length - 1; index >= 0; index--) {
    const byte = end[index] as number
    if (byte === 0xff) continue
    end[index] = byte + 1
    return { key, range_end: end.subarray(0, index + 1) }
  }
  // All keys there are; etcd allows no empty key.
  return { key: key.length === 0 ? ZERO : key, range_end: ZERO }
}

/** The first key that can come after `key`. */
export function keyAfter(key: Buffer): Buffer {
  return Buffer.concat([key, ZERO])
}
