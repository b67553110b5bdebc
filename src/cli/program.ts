import { Command, Option } from 'commander'
import { FezzError } from '../errors.ts'
import { type SettingRow, settingsTable } from '../runtime/settings.ts'
import { version } from '../runtime/version.ts'
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
    // Whoever types a command needs the reason, not where in Fezz it was found.
    const told = error instanceof FezzError ? error.message : (error as Error).stack
    process.stderr.write(`fezz: ${told}\n`)
    return 1
  }
}

function program(): Command {
  const fezz = new Command('fezz')
    .description('Fetch-style functions: loaded on demand, run, and unloaded when idle.')
    .version(version)
    .showHelpAfterError('(fezz --help tells what there is)')
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
