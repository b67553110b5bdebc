import type { InstanceFolder } from '../instance-folder.ts'
import type { ContainedWorld } from './contained-world.ts'
import type { Environment } from './environment.ts'
import { limitCommands, type ProcessLimits } from './limits.ts'
import { type Sandboxing, sandboxPrefix } from './sandbox.ts'
import type { Tools } from './tools.ts'
import type { ProcessUser } from './user.ts'

/** How one process is started. */
export interface Launch {
  readonly folder: InstanceFolder
  /** Absolute program, and arguments. */
  readonly command: readonly string[]
  readonly cwd: string
  readonly env: Environment
  readonly limits: ProcessLimits
  /** Default: the host's own. */
  readonly user?: ProcessUser
  readonly sandboxing: Sandboxing
  /** Paths that it may read within a sandbox. */
  readonly reads: readonly string[]
  readonly network: boolean
  /** What it reads from standard input. */
  readonly input?: string
  /** Whether it gets a socket to the host as file descriptor 3. */
  readonly hasChannel: boolean
}

/** All of a {@link Launch} that is the same for each process of one deployment. */
export type LaunchPlan = Omit<Launch, 'folder' | 'env' | 'input' | 'hasChannel'>

/**
 * Variables by which a program is told to run other code, or which a shell does not pass on as they
 * are: what limits it and shuts it in must not have them.
 */
const STEERING =
  /^(?:LD_\w*|GLIBC_TUNABLES|GCONV_PATH|ENV|BASH_ENV|BASHOPTS|SHELLOPTS|PS4|IFS|OPTIND)$/

/** A command with its arguments. */
export type CommandLine = readonly [program: string, ...args: string[]]

/**
 * The command that starts it: a shell that waits for a line of standard input, until the host has
 * put it where its limits hold, and then becomes each of the tools in turn, and the program at last.
 * Not one process more, and none outside of the limits for any moment. It is to be started with
 * {@link toolVariables}; the program itself gets the others too.
 */
export function commandLine(
  launch: Launch,
  { tools, cgroups, ambient }: Pick<ContainedWorld, 'tools' | 'cgroups' | 'ambient'>,
): CommandLine {
  const { limits, user, sandboxing, reads, folder, cwd, network } = launch
  const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  const owner = user ?? own
  const boundsUser = owner.uid !== own.uid && !cgroups.controllers.has('pids')
  const { script, prefix } = limitCommands(limits, boundsUser, tools)
  const { home, temporary } = folder
  const plan = { reads, home, temporary, cwd, network, user: owner }
  return [
    tools.sh ?? '/bin/sh',
    '-c',
    // An end without a line: the host has died.
    `read -r FEZZ_ADMITTED || exit; ${script}exec "$@"`,
    'fezz',
    ...tied(tools, ambient),
    ...prefix,
    ...sandboxPrefix(sandboxing, plan, tools),
    ...steered(launch.env),
    ...launch.command,
  ]
}

/** The variables of a program but for those that would steer the tools around it. */
export function toolVariables(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !STEERING.test(name)))
}

/** What gives a program the rest of its variables. */
function steered(env: Environment): readonly string[] {
  const own = Object.entries(env).filter(([name]) => STEERING.test(name))
  return own.length === 0 ? [] : ['/usr/bin/env', ...own.map(([name, value]) => `${name}=${value}`)]
}

/**
 * What has the system kill it when the host dies, where that can be had; and takes from it what the
 * host may do beyond its user, with which bubblewrap would not start either.
 */
function tied({ setpriv }: Tools, ambient: readonly number[]): readonly string[] {
  if (setpriv === undefined) return []
  // What is not inheritable is not ambient. Named one by one: an older setpriv refuses `-all`.
  const dropped = ambient.map(capability => `-cap_${capability}`).join()
  return [
    setpriv,
    '--pdeathsig',
    'KILL',
    ...(dropped === '' ? [] : [`--inh-caps=${dropped}`]),
    '--',
  ]
}
