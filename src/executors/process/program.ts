import { statSync } from 'node:fs'
import { basename, dirname, isAbsolute, resolve } from 'node:path'
import { FezzError } from '../../errors.ts'
import type { Deployment, ProgramCode } from '../../function/contract.ts'
import { type Environment, functionEnvironment } from './environment.ts'
import type { Launch, LaunchPlan } from './launch.ts'
import { limitsOf } from './limits.ts'
import { sandboxingFor } from './sandbox.ts'
import { findProgram, isExecutable, type Tools } from './tools.ts'
import { resolveUser } from './user.ts'

/** A deployment whose code is a program. */
export interface ProgramDeployment extends Deployment {
  readonly code: ProgramCode
}

/**
 * How the processes of a program are started.
 *
 * @throws FezzError `INVALID_MANIFEST` when the machine lacks what the manifest asks for;
 *   `FUNCTION_LOAD_FAILED` when the program cannot be executed
 */
export function planProgram({ manifest, code, env }: ProgramDeployment, tools: Tools): LaunchPlan {
  const { id, execution } = manifest
  const sandboxing = sandboxingFor(id, execution, tools)
  const user = execution.user === undefined ? undefined : resolveUser(id, execution.user)
  return {
    command: [programOf(id, code, env), ...code.command.slice(1)],
    cwd: code.folder,
    limits: limitsOf(execution),
    ...(user !== undefined && { user }),
    sandboxing,
    reads: [code.folder, ...code.reads],
    network: execution.network ?? true,
  }
}

/** Variables of a process of a program. */
export function programEnvironment(
  deployment: ProgramDeployment,
  folder: Launch['folder'],
  more?: Environment,
): Environment {
  return { ...functionEnvironment(deployment, folder, more), PWD: deployment.code.folder }
}

/** Absolute path of the program that a command names. */
function programOf(id: string, code: ProgramCode, env: Environment): string {
  const name = code.command[0] ?? ''
  const refuse = (why: string) =>
    new FezzError('FUNCTION_LOAD_FAILED', `Function "${id}": the program "${name}" ${why}`)
  if (name === basename(name) && dirname(name) === '.') {
    const path = env['PATH'] ?? code.env['PATH'] ?? process.env['PATH'] ?? ''
    // A file of the folder is meant more often than not, and then gets the better message.
    const found = findProgram(name, path)
    if (found === undefined) throw refuse('is not in PATH; write ./ before a file of the folder')
    return found
  }
  const file = isAbsolute(name) ? name : resolve(code.folder, name)
  if (isExecutable(file)) return file
  throw refuse(
    statSync(file, { throwIfNoEntry: false }) ? 'is not executable; chmod +x it' : 'does not exist',
  )
}
