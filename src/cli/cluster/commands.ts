import { parseDuration } from '../../units.ts'
import { Argument, type Command, InvalidArgumentError, Option } from '../commander.ts'
import {
  APPLY_SETTINGS,
  addSettings,
  CONTROL_PLANE_SETTINGS,
  STORE_SETTINGS,
} from '../setting-options.ts'
import type { Kind } from './get.ts'

/** Adds the commands on the store. What each does is loaded when it is called. */
export function addClusterCommands(fezz: Command): void {
  addApply(fezz)
  addGet(fezz)
  addDelete(fezz)
  addDrain(fezz)
  const controlPlane = fezz
    .command('control-plane')
    .description('tell Envoy of the hosts and functions of the store (xDS), and serve nothing else')
    .action(async flags => (await import('../control-plane.ts')).controlPlane(flags))
  addSettings(controlPlane, CONTROL_PLANE_SETTINGS, { xdsPort: '18000' })
}

interface ApplyFlags extends Record<string, unknown> {
  readonly dryRun?: boolean
  readonly wait: number | 'all'
  readonly timeout: number
  readonly onNode?: readonly string[]
  readonly onLabels?: Readonly<Record<string, string>>
  readonly spread?: boolean
  readonly json?: boolean
}

function addApply(fezz: Command): void {
  const command = fezz
    .command('apply')
    .description('put functions into the store, and wait until hosts serve them')
    .argument('<path...>', 'source files, folders of them, entries as .json files')
    .option('--dry-run', 'only say what would change')
    .addOption(
      new Option('--wait <nodes>', 'how many nodes must have it; 0 does not wait')
        .argParser(nodesToAwait)
        .default('all', 'all that are not draining'),
    )
    .addOption(durationOption('--timeout', 'how long that may take', '60s'))
    .option('--on-node <id,...>', 'run what is built on these nodes only', listOf)
    .option('--on-labels <name=value,...>', 'run it on nodes with these labels only', labelsOf)
    .option('--spread', 'have proxies use all hosts alike, instead of the same one')
    .option('--json', 'answer in JSON')
    .action(async (paths: string[], options: ApplyFlags) => {
      const { dryRun, wait, timeout, onNode, onLabels, spread, json, ...flags } = options
      const { apply } = await import('./apply.ts')
      await apply(paths, {
        flags,
        dryRun: dryRun === true,
        wait,
        timeoutMs: timeout,
        placement: {
          ...(onNode && { nodes: onNode }),
          ...(onLabels && { labels: onLabels }),
        },
        balance: spread ? 'spread' : 'affinity',
        json: json === true,
      })
    })
  addSettings(command, APPLY_SETTINGS)
}

interface JsonFlags extends Record<string, unknown> {
  readonly json?: boolean
}

function addGet(fezz: Command): void {
  const kinds = new Argument('<kind>', 'what to show').choices(['functions', 'nodes', 'routes'])
  const command = fezz
    .command('get')
    .description('show what the store knows')
    .addArgument(kinds)
    .option('--json', 'answer in JSON')
    .action(async (kind: Kind, { json, ...flags }: JsonFlags) =>
      (await import('./get.ts')).get(kind, { flags, json: json === true }),
    )
  addSettings(command, STORE_SETTINGS)
}

function addDelete(fezz: Command): void {
  const command = fezz
    .command('delete')
    .description('take functions out of the store')
    .argument('<id...>', 'ids of functions')
    .action(async (ids: string[], flags) =>
      (await import('./delete.ts')).deleteFunctions(ids, flags),
    )
  addSettings(command, STORE_SETTINGS)
}

interface DrainFlags extends Record<string, unknown> {
  readonly undo?: boolean
  readonly timeout: number
}

function addDrain(fezz: Command): void {
  const command = fezz
    .command('drain')
    .description('have no new requests sent to a node, until it is undone')
    .argument('<node>', 'id of the node')
    .option('--undo', 'have them sent again')
    .addOption(durationOption('--timeout', 'how long the node may take to react', '10s'))
    .action(async (node: string, { undo, timeout, ...flags }: DrainFlags) =>
      (await import('./drain.ts')).drain(node, {
        flags,
        undo: undo === true,
        timeoutMs: timeout,
      }),
    )
  addSettings(command, STORE_SETTINGS)
}

function durationOption(flag: string, description: string, byDefault: string): Option {
  return new Option(`${flag} <duration>`, description)
    .argParser(text => {
      try {
        return parseDuration(text)
      } catch (error) {
        throw new InvalidArgumentError(reasonIn(error))
      }
    })
    .default(parseDuration(byDefault), byDefault)
}

/** The text is in what is around the message already. */
function reasonIn(error: unknown): string {
  return (error as Error).message.replace(/^"[^"]*" (.*)/, 'It $1')
}

function nodesToAwait(text: string): number | 'all' {
  if (text === 'all') return text
  if (/^\d{1,4}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Write a number of nodes, or all.')
}

/** Repeated flags add up. */
function listOf(text: string, given: readonly string[] = []): readonly string[] {
  const ids = text.split(',').map(id => id.trim())
  if (ids.includes('')) throw new InvalidArgumentError('Write ids with commas in between.')
  return [...given, ...ids]
}

function labelsOf(
  text: string,
  given: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const pairs = text.split(',').map(pair => {
    const at = pair.indexOf('=')
    if (at < 1) throw new InvalidArgumentError('Write name=value,…')
    return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()] as const
  })
  return { ...given, ...Object.fromEntries(pairs) }
}
