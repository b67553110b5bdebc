import type { Connection } from './connection.ts'
import { isStatus, unavailable } from './failure.ts'

/** An operation on one key in a transaction. */
export interface Operation {
  readonly Verb: 'set' | 'lock' | 'get' | 'delete' | 'check-index' | 'check-not-exists'
  readonly Key: string
  /** In base64. */
  readonly Value?: string
  readonly Index?: number
  readonly Session?: string
}

/** A listing as it came over the wire. */
export interface Answer {
  /** Consul's index of what was asked for; at least 1. */
  readonly index: number
  /** A JSON array in pieces; none when there is nothing. */
  readonly chunks: readonly Buffer[]
}

/** How long an answer may be held back. */
export interface Blocking {
  /** Until something is newer than this. */
  readonly index: number
  readonly waitMs: number
  readonly signals: readonly AbortSignal[]
}

interface ResultEntry {
  readonly KV: { readonly ModifyIndex: number }
}

/** Consul adds up to this share to a wait, so that waits do not all end together. */
const WAIT_SPREAD = 1 / 16

/** Everything below `prefix`, as the leader knows it. */
export function listBelow(
  connection: Connection,
  prefix: string,
  blocking?: Blocking,
  timeoutMs = connection.timeoutMs,
): Promise<Answer> {
  const wait = blocking && { index: String(blocking.index), wait: `${blocking.waitMs}ms` }
  const heldMs = blocking === undefined ? 0 : Math.ceil(blocking.waitMs * (1 + WAIT_SPREAD))
  return connection.call({
    what: `list ${prefix}`,
    large: true,
    // `raw` keeps the package from looking at the body.
    send: (consul, ctx) =>
      consul.kv.get({ key: prefix, recurse: true, raw: true, consistent: true, ...wait, ctx } as {
        key: string
      }),
    read: ({ headers }, chunks) => ({
      // 0 would make the next query answer at once, for ever.
      index: Math.max(1, Number(headers['x-consul-index']) || 0),
      chunks: chunks as readonly Buffer[],
    }),
    timeoutMs: timeoutMs + heldMs,
    ...(blocking && { signals: blocking.signals }),
  })
}

/**
 * Reads one key, whether it is there or not.
 *
 * @throws FezzError `STORE_UNAVAILABLE` also when the token may not: a listing would just be empty
 */
export function probe(connection: Connection, key: string, timeoutMs?: number): Promise<void> {
  return connection.call({
    what: `get ${key}`,
    send: (consul, ctx) =>
      consul.kv.get({ key, raw: true, consistent: true, ctx } as { key: string }),
    read: () => undefined,
    ...(timeoutMs !== undefined && { timeoutMs }),
  })
}

/**
 * Does all of it or nothing.
 *
 * @returns the revisions of the keys that were read or written
 * @throws TransactionFailed
 */
export function transact(
  connection: Connection,
  what: string,
  operations: readonly Operation[],
): Promise<readonly number[]> {
  const body = operations.map(operation => ({ KV: operation }))
  return connection.call({
    what,
    send: (consul, ctx) => consul.transaction.create(body as never, { ctx } as never),
    read: (_answer, result) => {
      const { Results: results } = result as { Results: readonly ResultEntry[] | null }
      return (results ?? []).map(({ KV }) => KV.ModifyIndex)
    },
  })
}

/**
 * A session that deletes the keys it has locked when it ends. It depends on no health check: an
 * agent that is started again must not take the node's keys with it.
 */
export function createSession(connection: Connection, ttlMs: number): Promise<string> {
  return connection.call({
    what: 'create session',
    send: (consul, ctx) =>
      consul.session.create({
        name: 'fezz',
        behavior: 'delete',
        ttl: `${ttlMs}ms`,
        lockdelay: '0s',
        // Also in newer versions, which call them NodeChecks.
        checks: [],
        ctx,
      } as object),
    read: (_answer, body) => (body as { ID: string }).ID,
  })
}

/**
 * @returns false when there is no such session any more
 * @throws FezzError `STORE_UNAVAILABLE` also while the leader does not know of all that it has stored
 */
export async function renewSession(connection: Connection, id: string): Promise<boolean> {
  if (await isRenewed(connection, id)) return true
  // A leader that has just come to be answers renewals before it has read its log to the end, so
  // of a session that lives too it says 404. A consistent read waits until it has.
  if (!(await hasSession(connection, id))) return false
  throw unavailable(`Consul did not know session ${id} when it was to be renewed, but does now`)
}

function isRenewed(connection: Connection, id: string): Promise<boolean> {
  return connection.call({
    what: 'renew session',
    send: async (consul, ctx) => {
      try {
        return await consul.session.renew({ id, ctx } as { id: string })
      } catch (error) {
        if (isStatus(error, 404)) return [undefined, undefined]
        throw error
      }
    },
    read: answer => answer !== undefined,
  })
}

function hasSession(connection: Connection, id: string): Promise<boolean> {
  return connection.call({
    what: 'get session',
    send: (consul, ctx) => consul.session.get({ id, consistent: true, ctx } as { id: string }),
    read: (_answer, session) => session !== undefined,
  })
}

export function destroySession(connection: Connection, id: string): Promise<void> {
  return connection.call({
    what: 'destroy session',
    send: (consul, ctx) => consul.session.destroy({ id, ctx } as { id: string }),
    read: () => undefined,
  })
}
