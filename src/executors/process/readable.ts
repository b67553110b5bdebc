import { existsSync, readlinkSync } from 'node:fs'

/** Trees of the system that hold programs and libraries; links among them stay links. */
const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/nix/store']
/** What programs read of /etc, and no secrets. */
const ETC = [
  'alternatives',
  'ca-certificates',
  'fonts',
  'group',
  'host.conf',
  'hosts',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'localtime',
  'mime.types',
  'nsswitch.conf',
  'passwd',
  'pki',
  'protocols',
  'resolv.conf',
  'services',
  'ssl/certs',
  'ssl/openssl.cnf',
  'timezone',
].map(name => `/etc/${name}`)

/**
 * What is of the whole machine in /proc: root may write to it without any capability, and have the
 * kernel start a program outside by it (core_pattern in core(5)). A sandbox has it to read only.
 */
export const MACHINE: readonly string[] = [
  'acpi',
  'bus',
  'fs',
  'irq',
  'scsi',
  'sys',
  'sysrq-trigger',
].map(name => `/proc/${name}`)

/** A path of the machine that a sandbox shows. */
export interface Readable {
  readonly path: string
  /** Target, of a symbolic link. */
  readonly link?: string
}

/**
 * What a sandbox shows of the machine, read-only: the system's own, and `reads`. Only what exists; a
 * folder before what lies in it, which then needs no mention.
 */
export function readable(reads: readonly string[]): Readable[] {
  const found: Readable[] = []
  // The shorter path comes first: what is shown later would else hide what was shown within it.
  const outerFirst = reads.toSorted((one, other) => one.length - other.length)
  for (const path of [...SYSTEM, ...ETC, ...outerFirst]) {
    const isCovered = found.some(
      known => known.link === undefined && `${path}/`.startsWith(`${known.path}/`),
    )
    if (isCovered) continue
    const link = SYSTEM.includes(path) ? linkOf(path) : undefined
    if (link !== undefined) found.push({ path, link })
    else if (existsSync(path)) found.push({ path })
  }
  return found
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
