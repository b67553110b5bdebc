import type { Logger } from '../../telemetry/logger.ts'
import type { LineAllowance } from '../line-allowance.ts'
import type { Channel } from './channel.ts'
import { type LogMessage, MAX_FIELDS_CHARS } from './messages.ts'
import { textOf, toSentError } from './sent-error.ts'

type Level = LogMessage['level']

/** The log of a runner: its lines are written by the host. */
export class ChannelLog implements Logger {
  readonly #channel: Channel<LogMessage, unknown>
  readonly #levels: readonly string[]
  readonly #allowance: LineAllowance
  readonly #fields: object

  /**
   * @param levels those that the host writes
   * @param allowance of all that is logged here and by its children
   */
  constructor(
    channel: Channel<LogMessage, unknown>,
    levels: readonly string[],
    allowance: LineAllowance,
    fields: object = {},
  ) {
    this.#channel = channel
    this.#levels = levels
    this.#allowance = allowance
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
    const all = { ...this.#fields, ...fields }
    return new ChannelLog(this.#channel, this.#levels, this.#allowance, all)
  }

  isLevelEnabled(level: string): boolean {
    return this.#levels.includes(level)
  }

  #log(level: Level, first: object | string, second: string | undefined): void {
    if (!this.isLevelEnabled(level) || !this.#allowance.take()) return
    const isText = typeof first === 'string'
    // As pino takes it: an error alone is the field `err`.
    const own = first instanceof Error ? { err: first } : isText ? {} : first
    const message = isText
      ? first
      : (second ?? (first instanceof Error ? first.message : undefined))
    this.#channel.send({
      type: 'log',
      level,
      ...fieldsOf(this.#fields, own),
      // A function may have given anything, and not everything can be sent.
      message: message === undefined ? undefined : textOf(message),
    })
  }
}

/** Fields that cannot be read, or have no form in JSON, must not fail the request that logs them. */
function fieldsOf(bound: object, own: object): Pick<LogMessage, 'fields' | 'error'> {
  try {
    const { err, ...fields } = { ...bound, ...own } as Record<string, unknown>
    const made = JSON.stringify(fields)
    // By a toJSON it may say itself that it is nothing, or a text.
    const json = made?.startsWith('{') ? made : '{}'
    if (json.length > MAX_FIELDS_CHARS) throw new RangeError(`${json.length} characters of fields`)
    return { fields: json, ...(err !== undefined && { error: toSentError(err) }) }
  } catch (error) {
    return { fields: JSON.stringify({ unloggable: textOf(error) }) }
  }
}
