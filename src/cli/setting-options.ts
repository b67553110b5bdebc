import { type SettingName, type SettingRow, settingsTable } from '../runtime/settings.ts'
import { type Command, Option } from './commander.ts'

/** Settings that a command takes as flags, under the headings that its help shows them by. */
export interface SettingGroup {
  readonly heading: string
  readonly names: RegExp
  /** Taken, but not in the help: of use to few. */
  readonly isHidden?: boolean
}

/** How hosts and commands reach the store. */
const STORE = /^store/
const CLUSTER = /^(?:store|artifact|stateDir|node|xds|envoy)/

/** Of `serve`: all of them. */
export const SERVE_SETTINGS: readonly SettingGroup[] = [
  { heading: 'Settings:', names: new RegExp(`^(?!${CLUSTER.source.slice(1)})`) },
  { heading: 'Settings of a host with a store:', names: CLUSTER },
]

/** Of `control-plane`: it has a port, a store and Envoys, but no functions. */
export const CONTROL_PLANE_SETTINGS: readonly SettingGroup[] = [
  { heading: 'Settings:', names: /^(?:config|host|port|xds.*|envoy.*|log.*|enable.*|drain.*)$/ },
  { heading: 'The store:', names: STORE },
]

const LOG: SettingGroup = { heading: 'Log:', names: /^log/, isHidden: true }

/** Of commands on the store. */
export const STORE_SETTINGS: readonly SettingGroup[] = [
  { heading: 'The store:', names: /^(?:config|store.*)$/ },
  LOG,
]

/** Of the command that builds functions, too. */
export const APPLY_SETTINGS: readonly SettingGroup[] = [
  { heading: 'The store:', names: /^(?:config|store.*|artifacts|cacheDir)$/ },
  LOG,
]

/**
 * Gives `command` the settings of `groups` as flags.
 *
 * @param defaults where the command's own are others than the host's, as text
 */
export function addSettings(
  command: Command,
  groups: readonly SettingGroup[],
  defaults: Partial<Record<SettingName, string>> = {},
): void {
  const rows = settingsTable()
  for (const { heading, names, isHidden = false } of groups) {
    for (const row of rows.filter(({ name }) => names.test(name))) {
      const own = defaults[row.name as SettingName]
      for (const option of optionsOf(own === undefined ? row : { ...row, default: own })) {
        command.addOption(option.helpGroup(heading).hideHelp(isHidden || option.negate))
      }
    }
  }
}

function optionsOf(row: SettingRow): Option[] {
  const { name, flag, placeholder, env, default: byDefault, description } = row
  const told = `${description} [${env}]${byDefault === '' ? '' : ` (default: ${byDefault})`}`
  if (placeholder === undefined) {
    const off = flag.replace('--', '--no-')
    return [new Option(flag, `${told}; ${off} switches it off`), new Option(off)]
  }
  const option = new Option(`${flag} ${placeholder}`, told)
  if (name !== 'env') return [option]
  return [option.argParser((value, given: string[] | undefined) => [...(given ?? []), value])]
}
