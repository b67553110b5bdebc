import { FezzError } from '../errors.ts'
import { standardOutput } from '../telemetry/destination.ts'
import { version } from '../telemetry/version.ts'
import { Command, CommanderError } from './commander.ts'
import { serve } from './serve.ts'
import { addSettings, SERVE_SETTINGS } from './setting-options.ts'

/**
 * Runs the command line.
 *
 * @returns the exit code
 */
export async function main(argv: readonly string[]): Promise<number> {
  // Whoever reads the output may have seen enough of it, such as `head`.
  process.stdout.on('error', leaveIfNobodyReads)
  try {
    const fezz = await program(argv[2])
    await fezz.parseAsync(argv)
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
    .replace(/^missing required argument '([^']+)'/, 'missing argument $1')
    .replace(/^command-argument value '([^']*)' is invalid for argument '([^']+)'/, '$2 "$1"')
    .replace(/ argument '([^']*)' is invalid/, ' "$1"')
    .replace(/\n\(Did you mean (.+)\?\)$/, '; did you mean $1?')
}

function leaveIfNobodyReads(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
}

/** @param called the command that is called: a host that starts does not pay for the others */
async function program(called: string | undefined): Promise<Command> {
  const fezz = new Command('fezz')
    .description('Fetch-style functions: loaded on demand, run, and unloaded when idle.')
    .version(version)
    .exitOverride()
    .configureOutput({ outputError: () => {} })
  const serving = fezz
    .command('serve')
    .description('serve function files, or folders of them, or what the store says')
    .argument('[path...]', 'files or folders (default: functions, else examples)')
    .option('--watch', 'swap a function in when its sources change')
    .action((paths: string[], { watch = false, ...flags }: ServeFlags) =>
      serve(paths, { watch, flags }),
    )
  addSettings(serving, SERVE_SETTINGS)
  if (called !== 'serve') {
    const { addClusterCommands } = await import('./cluster/commands.ts')
    addClusterCommands(fezz)
  }
  return fezz
}

interface ServeFlags extends Record<string, unknown> {
  readonly watch?: boolean
}
