import type { ArtifactCode } from '../../function/contract.ts'
import { MAIN_FILE, packageFolder, readsOf } from '../process/node-runner.ts'
import { CHANNEL_VARIABLE } from '../process/runner-protocol.ts'

/** How Node runs a function in a container, with a channel to the host over the socket at `path`. */
export function nodeCommand(path: string): {
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
} {
  return { command: ['node', MAIN_FILE], env: { [CHANNEL_VARIABLE]: path } }
}

/** Paths that it reads: the artifact, the code of Fezz itself, and what either has left external. */
export function nodeReads(code: ArtifactCode): readonly string[] {
  const own = readsOf({ folder: packageFolder(), entry: MAIN_FILE })
  const all = [...new Set([...readsOf(code), ...own])]
  // What is within another of them is mounted with it.
  return all.filter(path => !all.some(other => path.startsWith(`${other}/`)))
}
