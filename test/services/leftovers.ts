import { readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isAlive } from './run.ts'

const FOLDER = /^fezz-(?:etcd|consul|envoy|broker|little)-(\d+)-/

/** Removes the folders of processes that were killed before they could do it themselves. */
export async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const owner = Number(FOLDER.exec(name)?.[1])
    if (owner > 0 && !isAlive(owner)) {
      await rm(join(tmpdir(), name), { recursive: true, force: true })
    }
  }
}
