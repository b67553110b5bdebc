import { createReadStream } from 'node:fs'
import { mkdir, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FezzError } from '../../errors.ts'
import { BUNDLE_FILE, MAP_FILE, writeAtomically } from '../artifact.ts'
import type { ArtifactFile, ArtifactStore, StoredArtifact } from '../artifact-store.ts'

/** An artifact store that is a folder, such as a network file system that all hosts mount. */
export class FolderArtifactStore implements ArtifactStore {
  readonly address: string

  constructor(folder: string) {
    this.address = folder
  }

  async has(sha256: string): Promise<boolean> {
    const path = join(this.address, sha256, BUNDLE_FILE)
    try {
      return (await stat(path)).isFile()
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw failure(path, 'read', cause)
    }
  }

  async read(
    sha256: string,
    file: ArtifactFile,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    const path = join(this.address, sha256, file)
    try {
      const handle = await open(path)
      return readAll(createReadStream(path, { fd: handle, signal }), path)
    } catch (cause) {
      throw failure(path, 'read', cause)
    }
  }

  async write({ sha256, bundle, map }: StoredArtifact): Promise<void> {
    const folder = join(this.address, sha256)
    try {
      await mkdir(folder, { recursive: true })
      if (map !== undefined) await writeAtomically(join(folder, MAP_FILE), map)
      await writeAtomically(join(folder, BUNDLE_FILE), bundle)
    } catch (cause) {
      throw failure(folder, 'written', cause)
    }
  }
}

async function* readAll(
  stream: AsyncIterable<Uint8Array>,
  path: string,
): AsyncIterable<Uint8Array> {
  try {
    yield* stream
  } catch (cause) {
    throw failure(path, 'read', cause)
  }
}

function failure(path: string, verb: 'read' | 'written', cause: unknown): FezzError {
  const { code, message } = cause as NodeJS.ErrnoException
  const reason = code === 'ENOENT' ? 'there is no such file' : (code ?? message)
  return new FezzError('ARTIFACT_UNAVAILABLE', `${path} cannot be ${verb}: ${reason}`, { cause })
}
