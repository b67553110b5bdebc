import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Where the hosts of this user keep what runs, unless a setting says otherwise. */
export function defaultRunFolder(): string {
  return join(tmpdir(), `fezz-${process.getuid?.() ?? 'user'}`)
}

/** Whether there is anything in it, of hosts that run or were killed. Never throws. */
export function isRunFolderUsed(folder: string): boolean {
  try {
    return readdirSync(folder).length > 0
  } catch {
    // Most often it is not there; what else is wrong with it is told to whoever wants to use it.
    return false
  }
}
