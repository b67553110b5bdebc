import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { FezzError } from '../errors.ts'
import { type SettingRow, settingsTable } from '../runtime/settings.ts'
import { standardOutput } from '../telemetry/destination.ts'
import { version } from '../telemetry/version.ts'
import { parseDuration } from '../units.ts'
import type { Kind } from './cluster/get.ts'
import { serve } from './serve.ts'

/**
 * Runs the command line.
 *
 * @returns the exit code
 */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    await program().parseAsync(argv)
    return 0
  } catch (error) {
    // Help and version end by an error too.
    if (error instanceof CommanderError && PRINTED.has(error.code)) return error.exitCode
    // Log lines of before come first.
    standardOutput().flush()
    process.stderr.write(`fezz: ${reasonOf(error)}\n`)
    return 1
  }
}

/** Codes of commander for what has been printed already. */
const PRINTED: ReadonlySet<string> = new Set([
  'commander.help',
  'commander.helpDisplayed',
  'commander.version',
])

/** Whoever types a command needs the reason, not where in Fezz it was found. */
function reasonOf(error: unknown): string | undefined {
  if (error instanceof FezzError) return error.message
  if (error instanceof CommanderError) return inOneLine(error.message)
  return (error as Error).stack
}

/** Commander's message in the words of the other messages. */
function inOneLine(message: string): string {
  return message
    .replace(/^error: /, '')
    .replace(/^(unknown )?option '([^']+)'/, '$1flag $2')
    .replace(/^unknown command '([^']+)'/, 'unknown command $1')
    .replace(/\n\(Did you mean (.+)\?\)$/, '; did you mean $1?')
}

function program(): Command {
  const fezz = new Command('fezz')
    .description('Fetch-style functions: loaded on demand, run, and unloaded when idle.')
    .version(version)
    .exitOverride()
    .configureOutput({ outputError: () => {} })
  withSettings(
    fezz
      .command('serve')
      .description('serve function files, or folders of them, or what the store says')
      .argument('[path...]', 'files or folders (default: functions, else examples)')
      .option('--watch', 'swap a function in when its sources change')
      .action((paths: string[], { watch = false, ...flags }: ServeFlags) =>
        serve(paths, { watch, flags }),
      ),
  )
  addClusterCommands(fezz)
  return fezz
}

/** Commands on the store. Each is loaded when it is called: `serve` is not to pay for them. */
function addClusterCommands(fezz: Command): void {
  withSettings(
    fezz
      .command('control-plane')
      .description(
        'tell Envoy of the hosts and functions of the store (xDS), and serve nothing else',
      )
      .action(async flags => (await import('./control-plane.ts')).controlPlane(flags)),
  )
  withSettings(
    fezz
      .command('apply')
      .description('put functions into the store, and wait until hosts serve them')
      .argument('<path...>', 'source files, folders of them, entries as .json files')
      .option('--dry-run', 'only say what would change')
      .option('--wait <nodes>', 'how many nodes must have it, or all', nodesToAwait, 'all')
      .option('--timeout <duration>', 'how long that may take', durationOf, 60_000)
      .option('--on-node <id...>', 'run them on these nodes only')
      .option('--on-labels <name=value...>', 'run them on nodes with these labels only')
      .option('--spread', 'have proxies use all hosts alike, instead of the same one')
      .option('--json', 'answer in JSON')
      .action(async (paths: string[], options: ApplyFlags) => {
        const { dryRun, wait, timeout, onNode, onLabels, spread, json, ...flags } = options
        const { apply } = await import('./cluster/apply.ts')
        await apply(paths, {
          flags,
          dryRun: dryRun === true,
          wait,
          timeoutMs: timeout,
          placement: {
            ...(onNode && { nodes: onNode }),
            ...(onLabels && { labels: labelsOf(onLabels) }),
          },
          balance: spread ? 'spread' : 'affinity',
          json: json === true,
        })
      }),
    STORE_SETTINGS,
  )
  withSettings(
    fezz
      .command('get')
      .description('show what the store knows')
      .addArgument(new Argument('<kind>').choices(['functions', 'nodes', 'routes']))
      .option('--json', 'answer in JSON')
      .action(async (kind: Kind, { json, ...flags }: JsonFlags) =>
        (await import('./cluster/get.ts')).get(kind, { flags, json: json === true }),
      ),
    STORE_SETTINGS,
  )
  withSettings(
    fezz
      .command('delete')
      .description('take functions out of the store')
      .argument('<id...>')
      .action(async (ids: string[], flags) =>
        (await import('./cluster/delete.ts')).deleteFunctions(ids, flags),
      ),
    STORE_SETTINGS,
  )
  withSettings(
    fezz
      .command('drain')
      .description('have no new requests sent to a node, until it is undone')
      .argument('<node>')
      .option('--undo', 'have them sent again')
      .option('--timeout <duration>', 'how long the node may take to react', durationOf, 10_000)
      .action(async (node: string, { undo, timeout, ...flags }: DrainFlags) =>
        (await import('./cluster/drain.ts')).drain(node, {
          flags,
          undo: undo === true,
          timeoutMs: timeout,
        }),
      ),
    STORE_SETTINGS,
  )
}

/** What commands on the store need of the settings. */
const STORE_SETTINGS = /^(?:config|store.*|artifacts|cacheDir|log.*)$/

function withSettings(command: Command, which = /./): void {
  for (const row of settingsTable()) {
    if (!which.test(row.name)) continue
    for (const option of settingOptions(row)) command.addOption(option)
  }
}

interface ApplyFlags extends Record<string, unknown> {
  readonly dryRun?: boolean
  readonly wait: number | 'all'
  readonly timeout: number
  readonly onNode?: string[]
  readonly onLabels?: string[]
  readonly spread?: boolean
  readonly json?: boolean
}

interface JsonFlags extends Record<string, unknown> {
  readonly json?: boolean
}

interface DrainFlags extends Record<string, unknown> {
  readonly undo?: boolean
  readonly timeout: number
}

function nodesToAwait(text: string): number | 'all' {
  if (text === 'all') return text
  if (/^\d{1,4}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Write a number of nodes, or all.')
}

function durationOf(text: string): number {
  try {
    return parseDuration(text)
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}

function labelsOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map(pair => {
      const at = pair.indexOf('=')
      if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)]
      throw new FezzError('INVALID_CONFIG', `label "${pair}" has no value; write name=value`)
    }),
  )
}

interface ServeFlags extends Record<string, unknown> {
  readonly watch?: boolean
}

function settingOptions(row: SettingRow): Option[] {
  const { name, flag, placeholder, env, default: byDefault, description } = row
  const told = `${description} [${env}]${byDefault === '' ? '' : ` (default: ${byDefault})`}`
  if (placeholder === undefined) {
    return [new Option(flag, told), new Option(flag.replace('--', '--no-'), 'Or not.')]
  }
  const option = new Option(`${flag} ${placeholder}`, told)
  if (name !== 'env') return [option]
  return [option.argParser((value, given: string[] | undefined) => [...(given ?? []), value])]
}
