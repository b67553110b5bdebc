import type { Logger } from '../../telemetry/logger.ts'
import type { Channel } from './channel.ts'
import type { LogMessage } from './messages.ts'
import { toSentError } from './sent-error.ts'

type Level = LogMessage['level']

/** The log of a runner: its lines are written by the host. */
export class ChannelLog implements Logger {
  readonly #channel: Channel<LogMessage, unknown>
  readonly #levels: readonly string[]
  readonly #fields: object

  /** @param levels those that the host writes */
  constructor(
    channel: Channel<LogMessage, unknown>,
    levels: readonly string[],
    fields: object = {},
  ) {
    this.#channel = channel
    this.#levels = levels
    this.#fields = fields
  }

  error(fields: object | string, message?: string): void {
    this.#log('error', fields, message)
  }

  warn(fields: object | string, message?: string): void {
    this.#log('warn', fields, message)
  }

  info(fields: object | string, message?: string): void {
    this.#log('info', fields, message)
  }

  debug(fields: object | string, message?: string): void {
    this.#log('debug', fields, message)
  }

  child(fields: object): Logger {
    return new ChannelLog(this.#channel, this.#levels, { ...this.#fields, ...fields })
  }

  isLevelEnabled(level: string): boolean {
    return this.#levels.includes(level)
  }

  #log(level: Level, first: object | string, second: string | undefined): void {
    if (!this.isLevelEnabled(level)) return
    const isText = typeof first === 'string'
    // As pino takes it: an error alone is the field `err`.
    const own = first instanceof Error ? { err: first } : isText ? {} : first
    const { err, ...fields } = { ...this.#fields, ...own } as Record<string, unknown>
    this.#channel.send({
      type: 'log',
      level,
      fields: jsonOf(fields),
      message: isText ? first : (second ?? (first instanceof Error ? first.message : undefined)),
      ...(err !== undefined && { error: toSentError(err) }),
    })
  }
}

/** Fields that have no form in JSON, such as a cycle, must not fail the request that logs them. */
function jsonOf(fields: object): string {
  try {
    return JSON.stringify(fields)
  } catch (error) {
    return JSON.stringify({ unloggable: String(error) })
  }
}
