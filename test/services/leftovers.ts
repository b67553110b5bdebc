import { readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeRemains } from './podman-remains.ts'
import { isAlive } from './run.ts'

const FOLDER = /^fezz-(etcd|consul|envoy|broker|little|podman|registry)-(\d+)-/

/** Removes the folders of processes that were killed before they could do it themselves. */
export async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const [, service, owner] = FOLDER.exec(name) ?? []
    if (owner === undefined || isAlive(Number(owner))) continue
    const folder = join(tmpdir(), name)
    if (service === 'podman') removeRemains(folder)
    await rm(folder, { recursive: true, force: true })
  }
}
