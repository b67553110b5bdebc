import { createRequire } from 'node:module'
import { isatty } from 'node:tty'
import { pino, stdTimeFunctions } from 'pino'
import { type LineDestination, standardOutput } from './destination.ts'
import { type MapStack, serializeError } from './serialize-error.ts'

/** Log levels, from loudest to quietest need. */
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** How a line looks: `auto` is `pretty` in a terminal and `json` everywhere else. */
export const LOG_FORMATS = ['auto', 'json', 'pretty'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

type LogMethod = (fields: object | string, message?: string) => void

/**
 * What Fezz needs of a logger; pino satisfies it. An error goes into the field `err`, a function's
 * id into `functionId`, a request's into `requestId`.
 */
export interface Logger {
  readonly error: LogMethod
  readonly warn: LogMethod
  readonly info: LogMethod
  readonly debug: LogMethod
  /** A logger that adds `fields` to each line. */
  child(fields: object): Logger
  isLevelEnabled(level: string): boolean
}

export interface LoggerOptions {
  /** Default `info`. */
  readonly level?: LogLevel
  /** Default `auto`. */
  readonly format?: LogFormat
  /** Where lines go, each with its line end. Default: standard output, flushed when the process exits. */
  readonly destination?: LineDestination
  /** Rewrites the stack of each logged error, e.g. from a bundle's lines to the sources'. */
  readonly mapStack?: MapStack
}

const REDACTED = '[redacted]'

/**
 * The host's logger: one JSON object per line with `level` as a word and `time` in ISO 8601, or
 * coloured text for people. Values of a field named `env`, at the top or one or two objects down,
 * are never written.
 */
export function createLogger(options: LoggerOptions = {}): Logger {
  const { level = 'info', format = 'auto', destination, mapStack } = options
  const pretty = format === 'pretty' || (format === 'auto' && !destination && isatty(1))
  const lines = destination ?? standardOutput()
  return pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      serializers: { err: error => serializeError(error, mapStack) },
      redact: { paths: ['env', '*.env', '*.*.env'], censor: REDACTED },
    },
    pretty ? prettyDestination(lines) : lines,
  )
}

function prettyDestination(lines: LineDestination): LineDestination {
  // Loaded here alone: a host that logs JSON never pays for it.
  const { prettyFactory } = createRequire(import.meta.url)(
    'pino-pretty',
  ) as typeof import('pino-pretty')
  const format = prettyFactory({
    colorize: isatty(1),
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  })
  return { write: line => lines.write(format(line)) }
}
