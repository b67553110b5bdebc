import { Command, CommanderError, Option } from 'commander'
import { FezzError } from '../errors.ts'
import { type SettingRow, settingsTable } from '../runtime/settings.ts'
import { standardOutput } from '../telemetry/destination.ts'
import { version } from '../telemetry/version.ts'
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
  const command = fezz
    .command('serve')
    .description('serve function files, or folders of them')
    .argument('[path...]', 'files or folders (default: functions, else examples)')
    .option('--watch', 'swap a function in when its sources change')
    .action((paths: string[], { watch = false, ...flags }: ServeFlags) =>
      serve(paths, { watch, flags }),
    )
  for (const option of settingsTable().flatMap(settingOptions)) command.addOption(option)
  return fezz
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
