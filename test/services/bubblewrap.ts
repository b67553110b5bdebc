import { binary } from './binary.ts'

/** What makes sandboxes of namespaces. */
export function bubblewrap(): Promise<string | undefined> {
  return binary('bwrap', { env: 'BWRAP_BIN', debianPackage: 'bubblewrap' })
}
