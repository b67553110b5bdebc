import { chmod, copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { bubblewrap } from './bubblewrap.ts'
import { consulProgram } from './consul.ts'
import { envoyProgram } from './envoy.ts'
import { etcdctlProgram, etcdProgram } from './etcd.ts'
import { haproxyProgram } from './haproxy.ts'
import { helloProgram } from './image-files.ts'
import { nginxProgram } from './nginx.ts'
import { podmanProgram } from './podman.ts'
import { promtool } from './promtool.ts'
import { registryProgram } from './registry.ts'
import { onPath } from './run.ts'
import { workerd } from './workerd.ts'
import { wrk } from './wrk.ts'

const PROGRAMS = [
  etcdProgram,
  etcdctlProgram,
  consulProgram,
  envoyProgram,
  nginxProgram,
  haproxyProgram,
  promtool,
  workerd,
  wrk,
  podmanProgram,
  registryProgram,
  helloProgram,
] as const

/**
 * Gets every program before the first test of a run that may do without none of them: what a first
 * run builds and downloads takes longer than a test may.
 *
 * @throws when one cannot be had
 */
export async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env['FEZZ_REQUIRE_SERVICES'] !== '1') return undefined
  for (const program of PROGRAMS) await program()
  const bwrap = await bubblewrap()
  if (bwrap === undefined || (await onPath('bwrap')) !== undefined) return undefined
  // Hosts look for it in PATH, and start it as other users too, for whom the cache is closed.
  const folder = await mkdtemp(join(tmpdir(), 'fezz-programs-'))
  await chmod(folder, 0o755)
  await copyFile(bwrap, join(folder, 'bwrap'))
  process.env['PATH'] = [process.env['PATH'], folder].join(delimiter)
  return () => rm(folder, { recursive: true, force: true })
}
