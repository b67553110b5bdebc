import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { FezzError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import type { Setting } from './setting-kinds.ts'
import {
  CONFIG_FILE,
  type ConfigInput,
  envOf,
  fieldOf,
  flagOf,
  type HostConfig,
  SETTING_NAMES,
  SETTINGS,
  type SettingInput,
  type SettingName,
  VARIABLE_PREFIX,
} from './settings.ts'
import { variables } from './variables.ts'

export type { ConfigInput, HostConfig } from './settings.ts'

/** Where settings come from beside the program itself, weakest first. */
export interface ConfigSources {
  /** Path of a JSON file. Default: the flag `--config`, else `FEZZ_CONFIG`, else none. */
  readonly file?: string | undefined
  /** Environment variables; those that begin with `FEZZ_` count. Default: none. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  /** Flags under the names of their settings: `--max-loaded 5` is `{ maxLoaded: "5" }`. */
  readonly flags?: Readonly<Record<string, unknown>> | undefined
}

/** One thing that somebody set, and where. */
interface Assignment {
  readonly name: SettingName
  readonly input: unknown
  /** Completes `setting "port" …` in a message. */
  readonly origin: string
}

/**
 * The one checked record of settings: defaults, overlaid with the config file, the environment,
 * what the program gives, and the flags. Variables (`env`) add up by name.
 *
 * @throws FezzError `INVALID_CONFIG` on the first unknown or bad setting, in one line that names it,
 * where it came from, and what is accepted
 */
export function resolveConfig(
  input: HhrfConfig | ConfigInput = {},
  sources: ConfigSources = {},
): HostConfig {
  const { env = {}, flags = {} } = sources
  const file = sources.file ?? flags[CONFIG_FILE.name] ?? env[CONFIG_FILE.env]
  const values = new Map<SettingName, { value: unknown; origin: string }>()
  const assign = ({ name, input, origin }: Assignment): void => {
    const value = parse(name, input, origin)
    const weaker = values.get(name)
    const { merge }: Setting = SETTINGS[name]
    values.set(name, { value: weaker && merge ? merge(weaker.value, value) : value, origin })
  }

  for (const name of SETTING_NAMES) {
    assign({ name, input: SETTINGS[name].default, origin: ' by default' })
  }
  if (file !== undefined) fromFile(String(file)).forEach(assign)
  fromEnvironment(env).forEach(assign)
  fromProgram(input instanceof HhrfConfig ? input.input : input).forEach(assign)
  fromFlags(flags).forEach(assign)

  return Object.freeze(
    Object.fromEntries(Array.from(values, ([name, { value }]) => [fieldOf(name), value])),
  ) as HostConfig
}

type Setters = {
  [Name in Exclude<SettingName, 'env'>]: (value: SettingInput<Name>) => HhrfConfig
}

// One method per line of the table; what a method accepts is checked when the record is built.
const FluentSettings = class {} as new () => Setters
for (const name of SETTING_NAMES) {
  Object.defineProperty(FluentSettings.prototype, name, {
    value(this: HhrfConfig, value: unknown) {
      return this.set({ [name]: value })
    },
  })
}

/**
 * Settings in fluent form, one method per setting:
 *
 *     new HhrfConfig().host('0.0.0.0').port(8080).env('API_KEY', 'secret')
 *
 * Prints with the values of variables redacted.
 */
export class HhrfConfig extends FluentSettings {
  #input: ConfigInput = {}

  /** What has been set so far, unchecked. */
  get input(): ConfigInput {
    return this.#input
  }

  /** Sets several at once; variables are added to those already there. */
  set(input: ConfigInput): this {
    const { env } = this.#input
    this.#input = { ...this.#input, ...input, ...(env && { env: { ...env, ...input.env } }) }
    return this
  }

  /** Gives every function a variable. */
  env(name: string, value: string): this {
    return this.set({ env: { [name]: value } })
  }

  /** The checked record. @throws FezzError `INVALID_CONFIG`, see {@link resolveConfig} */
  build(sources?: ConfigSources): HostConfig {
    return resolveConfig(this, sources)
  }

  toJSON(): ConfigInput {
    const shown = Object.entries(this.#input).map(([name, value]) => {
      const { isSecret }: Setting = SETTINGS[name as SettingName]
      return [name, isSecret && value !== '' ? '[redacted]' : value]
    })
    const { env } = this.#input
    return { ...Object.fromEntries(shown), ...(env && { env: variables(Object.entries(env)) }) }
  }

  [inspect.custom](): ConfigInput {
    return this.toJSON()
  }
}

function fromFile(path: string): Assignment[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw invalid(`config file ${path} cannot be read: ${code}`)
  }
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (cause) {
    // The parser's own message quotes the file, where secrets may be: only the place is kept.
    const place = /line \d+ column \d+/.exec((cause as Error).message)?.[0]
    throw invalid(`config file ${path} is not valid JSON${place ? `: ${place}` : ''}`)
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw invalid(`config file ${path} does not hold a JSON object`)
  }
  return Object.entries(content).map(([name, input]) => {
    if (!isSetting(name)) throw unknownSetting(name, ` in ${path}`)
    return { name, input, origin: ` in ${path}` }
  })
}

function fromEnvironment(env: Readonly<Record<string, string | undefined>>): Assignment[] {
  const known = new Map(SETTING_NAMES.map(name => [envOf(name), name]))
  return Object.entries(env).flatMap(([key, input]): Assignment[] => {
    if (input === undefined || !key.startsWith('FEZZ_') || key === CONFIG_FILE.env) return []
    const name = known.get(key)
    if (name !== undefined) return [{ name, input, origin: ` from ${key}` }]
    if (key.startsWith(VARIABLE_PREFIX) && key !== VARIABLE_PREFIX) {
      const variable = key.slice(VARIABLE_PREFIX.length)
      return [{ name: 'env', input: { [variable]: input }, origin: ` from ${key}` }]
    }
    throw unknown(`environment variable ${key}`, nearest(key, [...known.keys(), CONFIG_FILE.env]))
  })
}

function fromProgram(given: ConfigInput): Assignment[] {
  return Object.entries(given).flatMap(([name, input]) => {
    if (!isSetting(name)) throw unknownSetting(name, '')
    return input === undefined ? [] : [{ name, input, origin: '' }]
  })
}

function fromFlags(flags: Readonly<Record<string, unknown>>): Assignment[] {
  return Object.entries(flags).flatMap(([name, input]) => {
    if (input === undefined || name === CONFIG_FILE.name) return []
    if (!isSetting(name)) {
      const near = nearest(name, SETTING_NAMES) as SettingName | undefined
      throw unknown(`flag "${name}"`, near && flagOf(near))
    }
    return [{ name, input, origin: ` from ${flagOf(name)}` }]
  })
}

function parse(setting: SettingName, input: unknown, origin: string): unknown {
  try {
    return SETTINGS[setting].parse(input)
  } catch (error) {
    throw invalid(`setting "${setting}"${origin}: ${(error as Error).message}`)
  }
}

function isSetting(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name)
}

function unknownSetting(name: string, where: string): FezzError {
  const near = nearest(name, SETTING_NAMES)
  return unknown(`setting "${name}"${where}`, near && `"${near}"`)
}

function unknown(what: string, suggestion: string | undefined): FezzError {
  return invalid(`unknown ${what}${suggestion ? `; did you mean ${suggestion}?` : ''}`)
}

function invalid(message: string): FezzError {
  return new FezzError('INVALID_CONFIG', message)
}
