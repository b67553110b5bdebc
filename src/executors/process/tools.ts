import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

/** Programs of the system that hold a process within its bounds; each is used where it is present. */
const NAMES = ['bwrap', 'mount', 'prlimit', 'setpriv', 'sh', 'unshare'] as const
type ToolName = (typeof NAMES)[number]

/** Absolute paths of the tools that are present. */
export type Tools = Readonly<Partial<Record<ToolName, string>>>

/** @param path folders that are searched; default: PATH, and those of the administrator */
export function findTools(path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`): Tools {
  const found = NAMES.map(name => [name, findProgram(name, path)] as const)
  return Object.fromEntries(found.filter(([, file]) => file !== undefined))
}

/** Path of the program that `name` stands for in a shell with that PATH. */
export function findProgram(name: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .filter(isAbsolute)
    .map(folder => join(folder, name))
    .find(isExecutable)
}

/** Whether `file` is a file that this process may execute. */
export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}
