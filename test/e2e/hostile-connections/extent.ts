import { LISTENER_KINDS, type ListenerKind } from '../../../src/http/listener.ts'
import type { Attack } from './attacks.ts'
import { FLOOD_ATTACKS } from './flood-attacks.ts'
import { LEAVING_ATTACKS } from './leaving-attacks.ts'
import { SLOW_ATTACKS } from './slow-attacks.ts'

/** Whether nothing else uses the machine, so that times mean something. */
export const isAll = process.env['HOSTILE'] === 'all'

/** One of each sort. All of them, on both listeners, take a quarter of an hour: HOSTILE=all. */
const USUAL: ReadonlySet<string> = new Set([
  'slow head',
  'slow body',
  'reader of 10 MiB that takes nothing',
  'kept connection without another request',
  'pipelined requests, answers unread',
  'half closed behind a request',
  'reset in a response',
])

const every = [...SLOW_ATTACKS, ...FLOOD_ATTACKS, ...LEAVING_ATTACKS]

/** What is tried now. */
export const ATTACKS: readonly Attack[] = isAll
  ? every
  : every.filter(({ name }) => USUAL.has(name))

/** On which listeners. */
export const ATTACKED_LISTENERS: readonly ListenerKind[] = isAll ? LISTENER_KINDS : ['engine']
