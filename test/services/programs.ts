import { delimiter, dirname } from 'node:path'
import { bubblewrap } from './bubblewrap.ts'
import { consulProgram } from './consul.ts'
import { envoyProgram } from './envoy.ts'
import { etcdctlProgram, etcdProgram } from './etcd.ts'
import { helloProgram } from './image-files.ts'
import { podmanProgram } from './podman.ts'
import { promtool } from './promtool.ts'
import { registryProgram } from './registry.ts'
import { workerd } from './workerd.ts'
import { wrk } from './wrk.ts'

const PROGRAMS = [
  etcdProgram,
  etcdctlProgram,
  consulProgram,
  envoyProgram,
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
export async function setup(): Promise<void> {
  if (process.env['FEZZ_REQUIRE_SERVICES'] !== '1') return
  for (const program of PROGRAMS) await program()
  // Hosts look for it in PATH; the machine's own comes first there, if it has one.
  const bwrap = await bubblewrap()
  if (bwrap === undefined) return
  process.env['PATH'] = [process.env['PATH'], dirname(bwrap)].join(delimiter)
}
