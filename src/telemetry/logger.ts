import { pino } from 'pino'

/** Log levels, from loudest to quietest need. */
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

type LogMethod = (fields: object | string, message?: string) => void

/** What Fezz needs of a logger; pino satisfies it. */
export interface Logger {
  readonly error: LogMethod
  readonly warn: LogMethod
  readonly info: LogMethod
  readonly debug: LogMethod
  /** A logger that adds `fields` to each line. */
  child(fields: object): Logger
  isLevelEnabled(level: string): boolean
}
