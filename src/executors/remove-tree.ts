import { execFile } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/**
 * Removes a folder in which a function could do as it liked: also what is so deep that no path can
 * name it, and folders that it has taken its own rights from. One that is not there is no error.
 *
 * @throws when something resists all the same, such as a mount point
 */
export async function removeTree(path: string): Promise<void> {
  try {
    // What was just killed may still be writing.
    await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 })
  } catch {
    // They go from folder to folder, where Node goes by paths. Neither follows links.
    await run('chmod', ['-R', 'u+rwx', '--', path]).catch(() => {})
    await run('rm', ['-rf', '--', path])
  }
}
