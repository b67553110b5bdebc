import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { parseStoreUrl, type StoreAddress } from '../control-plane/store-url.ts'
import { parseNetwork, UNIX } from '../http/forwarded.ts'
import { Secret } from '../secret.ts'
import { parseDuration, parseSize } from '../units.ts'
import { type Variables, variables as variablesOf } from './variables.ts'

/**
 * One line of the table of settings.
 *
 * `Input` is what programs and config files may write, `Value` what the checked record holds, and
 * `Unit` what its name ends in there: `idleTtl` is given as `"5m"` and held as `idleTtlMs`.
 */
export interface Setting<Input = unknown, Value = unknown, Unit extends string = string> {
  /** As people write it. */
  readonly default: Input
  readonly description: string
  readonly unit: Unit
  /** What follows the flag in a usage line; `undefined` for a switch. */
  readonly placeholder: string | undefined
  /** Whether what is given must not be printed. */
  readonly isSecret?: true
  /**
   * @param input text, or whatever a program or a JSON file holds
   * @throws RangeError quoting the input and saying what is accepted
   */
  parse(input: unknown): Value
  /** Joins what a weaker source gave with what a stronger one gives. Default: the stronger wins. */
  merge?(weaker: Value, stronger: Value): Value
}

/** A whole number. */
export function integer(
  byDefault: number,
  description: string,
  { min = 0, max = 2 ** 31 - 1 }: { min?: number; max?: number } = {},
): Setting<number | string, number, ''> {
  return {
    default: byDefault,
    description,
    unit: '',
    placeholder: '<number>',
    parse(input) {
      const number = typeof input === 'string' && /^\d+$/.test(input) ? Number(input) : input
      if (Number.isInteger(number) && (number as number) >= min && (number as number) <= max) {
        return number as number
      }
      throw new RangeError(`${shown(input)} is not a whole number from ${min} to ${max}`)
    },
  }
}

/** A number of processes; `auto` is one for each core that this process may use. */
export function processes(
  byDefault: number,
  description: string,
): Setting<number | string, number, ''> {
  const numbers = integer(byDefault, description, { min: 1, max: 1024 })
  return {
    ...numbers,
    placeholder: '<number|auto>',
    parse: input => (input === 'auto' ? availableParallelism() : numbers.parse(input)),
  }
}

/** A time that a timer can wait for, 0 only where `zero` allows it. */
export function duration(
  byDefault: string,
  description: string,
  { zero = false }: { zero?: boolean } = {},
): Setting<number | string, number, 'Ms'> {
  return {
    default: byDefault,
    description,
    unit: 'Ms',
    placeholder: '<duration>',
    parse(input) {
      const durationMs = parseDuration(input as number | string)
      if (durationMs === 0 && !zero)
        throw new RangeError(`${shown(input)} is too short; write a time above 0`)
      return durationMs
    },
  }
}

/** An amount of memory. */
export function size(
  byDefault: string,
  description: string,
  { minBytes = 0 }: { minBytes?: number } = {},
): Setting<number | string, number, 'Bytes'> {
  return {
    default: byDefault,
    description,
    unit: 'Bytes',
    placeholder: '<size>',
    parse(input) {
      const bytes = parseSize(input as number | string)
      if (bytes < minBytes)
        throw new RangeError(`${shown(input)} is too small; write at least ${minBytes}`)
      return bytes
    },
  }
}

/** A share such as `"85%"` or `0.85`, held as a number below 1, or a size, held in bytes; 0 is off. */
export function shareOrSize(
  byDefault: string,
  description: string,
): Setting<number | string, number, ''> {
  return {
    default: byDefault,
    description,
    unit: '',
    placeholder: '<share>',
    parse(input) {
      const percent = typeof input === 'string' ? /^(\d{1,2})%$/.exec(input.trim())?.[1] : undefined
      if (percent !== undefined) return Number(percent) / 100
      if (Number(input) > 0 && Number(input) < 1) return Number(input)
      try {
        return parseSize(input as number | string)
      } catch {
        throw new RangeError(
          `${shown(input)} is neither a share from "0%" to "99%" nor a size such as "512MiB"`,
        )
      }
    },
  }
}

/** On or off. */
export function toggle(
  byDefault: boolean,
  description: string,
): Setting<boolean | 'true' | 'false', boolean, ''> {
  return {
    default: byDefault,
    description,
    unit: '',
    placeholder: undefined,
    parse(input) {
      if (input === true || input === 'true') return true
      if (input === false || input === 'false') return false
      throw new RangeError(`${shown(input)} is neither true nor false`)
    },
  }
}

/** One word of a list. */
export function choice<const Word extends string>(
  words: readonly Word[],
  byDefault: NoInfer<Word>,
  description: string,
): Setting<Word, Word, ''> {
  return {
    default: byDefault,
    description,
    unit: '',
    placeholder: `<${words.join('|')}>`,
    parse(input) {
      const word = words.find(each => each === input)
      if (word === undefined) throw new RangeError(`${shown(input)} is none of ${words.join(', ')}`)
      return word
    },
  }
}

/** An IP address or a host name to listen on. */
export function host(byDefault: string, description: string): Setting<string, string, ''> {
  return {
    default: byDefault,
    description,
    unit: '',
    placeholder: '<address>',
    parse(input) {
      if (typeof input === 'string' && (/^[\w.-]+$/.test(input) || isIP(input) !== 0)) return input
      throw new RangeError(
        `${shown(input)} is not an address such as "127.0.0.1", "::" or "localhost"`,
      )
    },
  }
}

/** A port that is opened only when one is given; `undefined` without. */
export function optionalPort(
  description: string,
): Setting<number | string, number | undefined, ''> {
  const { parse } = integer(0, description, { max: 65_535 })
  return {
    default: '',
    description,
    unit: '',
    placeholder: '<number>',
    parse: input => (input === '' ? undefined : parse(input)),
  }
}

/** One line of text; `''` when there is none. */
export function text(
  placeholder: string,
  description: string,
  accepts = /^[^\0\n]*$/,
  example = '"text" on one line',
  byDefault = '',
): Setting<string, string, ''> {
  return {
    default: byDefault,
    description,
    unit: '',
    placeholder,
    parse(input) {
      if (typeof input === 'string' && (input === '' || accepts.test(input))) return input
      throw new RangeError(`${shown(input)} is not valid; write ${example}`)
    },
  }
}

/** A text that nothing prints; `undefined` when there is none. */
export function secret(description: string): Setting<string | Secret, Secret | undefined, ''> {
  return {
    default: '',
    description,
    unit: '',
    placeholder: '<secret>',
    isSecret: true,
    parse(input) {
      if (input === '') return undefined
      if (input instanceof Secret) return input
      if (typeof input === 'string') return new Secret(input)
      throw new RangeError(`a ${typeof input} is not text`)
    },
  }
}

/** Where a store is; `undefined` when there is none. */
export function storeUrl(description: string): Setting<string, StoreAddress | undefined, ''> {
  return {
    default: '',
    description,
    unit: '',
    placeholder: '<url>',
    isSecret: true,
    parse(input) {
      if (input === '') return undefined
      if (typeof input === 'string') return parseStoreUrl(input)
      throw new RangeError(`a ${typeof input} is not text`)
    },
  }
}

/** Names with values: an object, or text such as `"disk=ssd,gpu=yes"`. */
export function labels(
  description: string,
): Setting<string | Readonly<Record<string, string>>, Readonly<Record<string, string>>, ''> {
  return {
    default: '',
    description,
    unit: '',
    placeholder: '<name=value,...>',
    parse(input) {
      const entries = labelEntries(input)
      const wrong = entries.find(([name, value]) => !LABEL.test(name) || !LABEL_VALUE.test(value))
      if (wrong === undefined) return Object.freeze(Object.fromEntries(entries))
      throw new RangeError(`${shown(wrong.join('='))} is not a label; write disk=ssd,gpu=yes`)
    },
  }
}

const LABEL = /^[\w./-]{1,128}$/
const LABEL_VALUE = /^[\w./-]{0,128}$/

function labelEntries(input: unknown): (readonly [name: string, value: string])[] {
  if (typeof input === 'object' && input !== null) return Object.entries(input)
  if (typeof input !== 'string') {
    throw new RangeError(`${shown(input)} is not a set of labels; write disk=ssd,gpu=yes`)
  }
  const parts = input.split(',').map(part => part.trim())
  return parts
    .filter(part => part !== '')
    .map(part => {
      const at = part.indexOf('=')
      if (at > 0) return [part.slice(0, at), part.slice(at + 1)]
      throw new RangeError(`${shown(part)} is not a label; write disk=ssd,gpu=yes`)
    })
}

/** A folder; held as an absolute path. `''` only where it is the default. */
export function folder(byDefault: string, description: string): Setting<string, string, ''> {
  return {
    default: byDefault,
    description,
    unit: '',
    placeholder: '<folder>',
    parse(input) {
      if (input === '' && byDefault === '') return ''
      if (typeof input === 'string' && input !== '') return resolve(input)
      throw new RangeError(`${shown(input)} is not the path of a folder`)
    },
  }
}

/** Addresses and CIDR blocks: a list, or text with commas. */
export function networks(
  description: string,
): Setting<string | readonly string[], readonly string[], ''> {
  return {
    default: '',
    description,
    unit: '',
    placeholder: '<cidr,...>',
    parse(input) {
      const list = typeof input === 'string' ? input.split(',') : input
      if (!Array.isArray(list)) throw new RangeError(`${shown(input)} is not a list of addresses`)
      const networks = list.map(each => (typeof each === 'string' ? each.trim() : each))
      const wrong = networks.find(each => each !== '' && !isNetwork(each))
      if (wrong !== undefined) {
        throw new RangeError(
          `${shown(wrong)} is not an address or a block such as "10.0.0.0/8" or "fd00::/8"`,
        )
      }
      return Object.freeze(networks.filter(each => each !== ''))
    },
  }
}

function isNetwork(value: unknown): boolean {
  return typeof value === 'string' && (value === UNIX || parseNetwork(value) !== undefined)
}

/** Named secrets: their values are in no message and in no print-out. Sources add up, by name. */
export function variables(
  description: string,
): Setting<Readonly<Record<string, string>>, Variables, ''> {
  return {
    default: {},
    description,
    unit: '',
    placeholder: '<NAME=value>',
    parse: input => variablesOf(entriesOf(input)),
    merge: (weaker, stronger) =>
      variablesOf([...Object.entries(weaker), ...Object.entries(stronger)]),
  }
}

function entriesOf(input: unknown): [string, string][] {
  if (Array.isArray(input)) return input.flatMap(entriesOf)
  if (typeof input === 'string') {
    const at = input.indexOf('=')
    // The text may be a secret that lost its name: it is not quoted.
    if (at < 1) throw new RangeError('write NAME=value')
    return entriesOf({ [input.slice(0, at)]: input.slice(at + 1) })
  }
  if (typeof input !== 'object' || input === null) {
    throw new RangeError(`a ${typeof input} is not a set of variables; write {"NAME": "value"}`)
  }
  return Object.entries(input).map(([name, value]) => {
    if (name === '') throw new RangeError('a variable has no name')
    // It would replace what redacts them.
    if (name === 'toJSON') throw new RangeError('no variable can be called "toJSON"')
    if (typeof value !== 'string') {
      throw new RangeError(`variable ${shown(name)} is not text; quote its value`)
    }
    return [name, value]
  })
}

/** A value in a message: one line, not too long. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 100 ? `${text.slice(0, 99)}…` : text
}
