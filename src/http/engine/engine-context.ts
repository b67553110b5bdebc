import type { Answers } from '../answers.ts'
import type { TrustedProxies } from '../forwarded.ts'
import type { ListenerOptions } from '../listener.ts'
import type { Turns } from './turns.ts'
import type { Wheel } from './wheel.ts'

/** What the connections of one listener share. */
export interface EngineContext {
  readonly options: ListenerOptions
  readonly proxies: TrustedProxies
  readonly answers: Answers
  readonly wheel: Wheel
  readonly turns: Turns
}
