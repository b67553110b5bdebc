import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { BUNDLE_FILE } from './artifact.ts'

/** What is on its way in or out; its names can't be those of artifacts. */
const SCRATCH = '.scratch'

/** What is older has been left behind by a process that crashed: no download may take so long. */
const ABANDONED_MS = 3_600_000

/** An artifact that any process has asked for this lately may be about to be read. */
const IN_USE_MS = 60_000

/** A trim goes a little further than it must, so that not each download needs one. */
const TRIM_TO = 0.9

/** Whole folders with a sha256 for a name, and nothing else. */
const ARTIFACT = /^[0-9a-f]{64}$/

interface Kept {
  readonly sha256: string
  readonly sizeBytes: number
  readonly usedAtMs: number
}

/**
 * Artifacts fetched from elsewhere: `<sha256>/bundle.cjs` and what belongs to it. Any number of
 * processes may share it: an artifact comes and goes whole. When it was last asked for is the time of
 * its folder.
 */
export class ArtifactFolder {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /** Folder of an artifact, there or not. */
  folderOf(sha256: string): string {
    return join(this.path, sha256)
  }

  async has(sha256: string): Promise<boolean> {
    const found = await stat(this.#bundle(sha256)).catch(() => undefined)
    return found?.isFile() ?? false
  }

  /** Whether the bundle is what its name says. Reads it from the disk, not into memory. */
  async isSound(sha256: string): Promise<boolean> {
    const hash = createHash('sha256')
    try {
      await pipeline(createReadStream(this.#bundle(sha256)), hash)
    } catch {
      return false
    }
    return hash.digest('hex') === sha256
  }

  /** Notes that it is in use now. @returns whether it is there */
  touch(sha256: string): Promise<boolean> {
    const now = new Date()
    return utimes(this.folderOf(sha256), now, now).then(
      () => true,
      () => false,
    )
  }

  /**
   * Takes an artifact in.
   *
   * @param fill writes its files into an empty folder; when it throws, nothing is kept
   */
  async receive<T>(sha256: string, fill: (folder: string) => Promise<T>): Promise<T> {
    const scratch = this.#newScratch()
    await mkdir(scratch, { recursive: true })
    try {
      const result = await fill(scratch)
      await this.#moveIn(scratch, sha256)
      return result
    } finally {
      await rm(scratch, { recursive: true, force: true })
    }
  }

  /** Removes an artifact at once, with what was made of it, such as compiled code. */
  async discard(sha256: string): Promise<void> {
    const scratch = this.#newScratch()
    try {
      await mkdir(join(this.path, SCRATCH), { recursive: true })
      await rename(this.folderOf(sha256), scratch)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      throw error
    }
    await rm(scratch, { recursive: true, force: true })
  }

  /** Removes what crashed processes have left behind. */
  async sweep(): Promise<void> {
    const scratch = join(this.path, SCRATCH)
    for (const name of await namesIn(scratch)) {
      const path = join(scratch, name)
      const found = await stat(path).catch(() => undefined)
      if (found === undefined || Date.now() - found.mtimeMs < ABANDONED_MS) continue
      await rm(path, { recursive: true, force: true })
    }
  }

  /**
   * Removes artifacts until they take `maxBytes` at most, those first that nobody has asked for the
   * longest. What is in use stays, even when that is more.
   */
  async trim(maxBytes: number): Promise<{ readonly sizeBytes: number; readonly removed: number }> {
    const kept = await this.#list()
    let sizeBytes = kept.reduce((sum, each) => sum + each.sizeBytes, 0)
    if (sizeBytes <= maxBytes) return { sizeBytes, removed: 0 }
    let removed = 0
    kept.sort((a, b) => a.usedAtMs - b.usedAtMs)
    for (const { sha256, sizeBytes: freedBytes, usedAtMs } of kept) {
      if (sizeBytes <= maxBytes * TRIM_TO || Date.now() - usedAtMs < IN_USE_MS) break
      // Another process may have begun to use it since.
      const used = await stat(this.folderOf(sha256)).catch(() => undefined)
      if (used !== undefined && used.mtimeMs !== usedAtMs) continue
      await this.discard(sha256)
      sizeBytes -= freedBytes
      removed++
    }
    return { sizeBytes, removed }
  }

  async #list(): Promise<Kept[]> {
    const kept: Kept[] = []
    for (const sha256 of await namesIn(this.path)) {
      if (!ARTIFACT.test(sha256)) continue
      const folder = this.folderOf(sha256)
      const found = await stat(folder).catch(() => undefined)
      if (found === undefined) continue
      let sizeBytes = 0
      for (const name of await namesIn(folder)) {
        const file = await stat(join(folder, name)).catch(() => undefined)
        sizeBytes += file?.size ?? 0
      }
      kept.push({ sha256, sizeBytes, usedAtMs: found.mtimeMs })
    }
    return kept
  }

  async #moveIn(scratch: string, sha256: string): Promise<void> {
    try {
      await rename(scratch, this.folderOf(sha256))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
      // Another process was faster; or what is there is damaged.
      if (await this.isSound(sha256)) return
      await this.discard(sha256)
      await rename(scratch, this.folderOf(sha256))
    }
  }

  #bundle(sha256: string): string {
    return join(this.folderOf(sha256), BUNDLE_FILE)
  }

  #newScratch(): string {
    return join(this.path, SCRATCH, randomUUID())
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => [])
}
