import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FezzError } from '../../errors.ts'
import type { ArtifactStore } from '../artifact-store.ts'
import { FolderArtifactStore } from './folder.ts'
import { HttpArtifactStore } from './http.ts'

/** A scheme of two letters or more: one alone is a drive of Windows. */
const SCHEME = /^([a-z][a-z0-9+.-]+):/i

/**
 * The artifact store at `address`: a folder (`/var/artifacts`, `file:///var/artifacts`) or the
 * address of an HTTP server that answers GET and HEAD, and PUT where artifacts are written
 * (`https://user:password@host/artifacts`; a query is sent along with each request).
 *
 * @throws FezzError `INVALID_CONFIG`
 */
export function openArtifactStore(address: string): ArtifactStore {
  const scheme = SCHEME.exec(address)?.[1]?.toLowerCase()
  if (scheme === undefined && address !== '') return new FolderArtifactStore(resolve(address))
  const url = URL.parse(address)
  if (url !== null && (scheme === 'http' || scheme === 'https')) return new HttpArtifactStore(url)
  if (url !== null && scheme === 'file') {
    try {
      return new FolderArtifactStore(fileURLToPath(url))
    } catch {
      // Another host's file, or an encoded slash.
    }
  }
  // Not the address itself: it may hold a password.
  throw new FezzError(
    'INVALID_CONFIG',
    `the artifact store's address ${scheme === undefined ? 'is empty' : `"${scheme}:..." cannot be used`}; ` +
      'give a folder such as /var/artifacts, or an http(s) address',
  )
}
