import type { FezzErrorCode } from '../../../src/errors.ts'
import type { ListenerKind } from '../../../src/http/listener.ts'
import type { Attacker } from './attacker.ts'

/** One kind of hostile connection. */
export interface Attack {
  readonly name: string
  /** What one connection does. */
  readonly begin: (attacker: Attacker) => void
  /** What becomes of it. */
  readonly outcome: RegExp
  /** How the host counts each of them; not at all by default. */
  readonly counted?: FezzErrorCode
  /** Where a listener does otherwise. */
  readonly but?: Partial<Record<ListenerKind, Pick<Attack, 'outcome' | 'counted'>>>
  /** Why it is not held by node:http. */
  readonly unheldByNode?: string
  /** New ones take the place of those that have ended, for as long as it is measured. */
  readonly isRepeated?: boolean
}

export const HOST = 'Host: localhost\r\n'
export const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\n${HOST}${headers}\r\n`
export const post = (path: string, headers: string) =>
  `POST ${path} HTTP/1.1\r\n${HOST}${headers}\r\n`
export const CHUNKED = 'Transfer-Encoding: chunked\r\n'
