import { parseNodeEntry } from '../../control-plane/entry-schema.ts'
import { DRAINS, NODES } from '../../control-plane/keys.ts'
import type { NodeEntry } from '../../control-plane/node-entry.ts'
import { Replica } from '../../control-plane/replica.ts'
import type { Store } from '../../control-plane/store.ts'
import { FezzError } from '../../errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { withStore } from './session.ts'

export interface DrainOptions {
  readonly flags: Readonly<Record<string, unknown>>
  /** Bring it back instead. */
  readonly undo: boolean
  readonly timeoutMs: number
}

/**
 * `fezz drain NODE`: no new requests for a node, until it is undone; it stays up and finishes what
 * it has. Ends when the node says so itself.
 *
 * @throws FezzError `NOT_FOUND` when there is no such node, `STORE_UNAVAILABLE` when it does not react
 */
export function drain(id: string, { flags, undo, timeoutMs }: DrainOptions): Promise<void> {
  return withStore(flags, async ({ store, log, print }) => {
    const { entries } = await store.list(`${NODES}${id}`)
    if (!undo && !entries.has(`${NODES}${id}`)) {
      throw new FezzError('NOT_FOUND', `there is no node "${id}"; fezz get nodes lists them`)
    }
    if (undo) await store.delete(`${DRAINS}${id}`)
    else
      await store.put(`${DRAINS}${id}`, `${JSON.stringify({ since: new Date().toISOString() })}\n`)
    if (undo && !entries.has(`${NODES}${id}`)) {
      print(`node ${id} is not there; it will not be drained when it comes`)
      return
    }
    const wanted = undo ? 'ready' : 'draining'
    await awaitState({ store, log, id, wanted, timeoutMs })
    print(`node ${id} is ${wanted}`)
  })
}

async function awaitState({
  store,
  log,
  id,
  wanted,
  timeoutMs,
}: {
  readonly store: Store
  readonly log: Logger
  readonly id: string
  readonly wanted: NodeEntry['state']
  readonly timeoutMs: number
}): Promise<void> {
  const key = `${NODES}${id}`
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  await using replica = new Replica({
    store,
    log,
    prefix: key,
    onChange({ events }) {
      const own = events.find(event => event.key === key)?.stored
      if (own !== undefined && parseNodeEntry(key, own.value).state === wanted) resolve()
    },
  })
  const timer = setTimeout(
    () =>
      reject(
        new FezzError(
          'STORE_UNAVAILABLE',
          `node "${id}" is told, but not ${wanted} within ${timeoutMs / 1000} s; is it running? fezz get nodes tells`,
        ),
      ),
    timeoutMs,
  )
  replica.start()
  try {
    await promise
  } finally {
    clearTimeout(timer)
  }
}
