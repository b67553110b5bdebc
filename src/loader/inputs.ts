import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, parse, resolve, sep } from 'node:path'

/** What a file that a build has read looked like then. */
export interface InputStamp {
  /** Absolute. */
  readonly path: string
  /** -1 when there was no such file: making one would change the build. */
  readonly sizeBytes: number
  /** Nanoseconds since 1970 in decimal; `"0"` when it could not be told from a later write. */
  readonly mtimeNs: string
  /** Hex; empty when there was no such file. */
  readonly sha256: string
}

/**
 * A file written less than this before it was read may be written again within the same tick of
 * the file system's clock.
 */
const CLOCK_TICK_MS = 50

/** Hex sha256. */
export function sha256Of(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/** The bytes of a file and their stamp. The stamp is never newer than the bytes. */
export async function readStamped(path: string): Promise<{ bytes: Buffer; stamp: InputStamp }> {
  const before = await stat(path, { bigint: true })
  const settled = Date.now() - Number(before.mtimeMs) > CLOCK_TICK_MS
  const bytes = await readFile(path)
  const stamp = {
    path,
    sizeBytes: bytes.length,
    mtimeNs: settled ? String(before.mtimeNs) : '0',
    sha256: sha256Of(bytes),
  }
  return { bytes, stamp }
}

/** The stamp of a file that may be missing. */
async function stampOf(path: string): Promise<InputStamp> {
  try {
    return (await readStamped(path)).stamp
  } catch {
    return { path, sizeBytes: -1, mtimeNs: '0', sha256: '' }
  }
}

/**
 * Compares with the files as they are now.
 *
 * @returns `undefined` when one has changed, else the stamps, renewed where a file was only touched
 */
export async function renewStamps(
  stamps: readonly InputStamp[],
): Promise<readonly InputStamp[] | undefined> {
  const renewed = await Promise.all(stamps.map(renew))
  return renewed.includes(undefined) ? undefined : (renewed as InputStamp[])
}

async function renew(stamp: InputStamp): Promise<InputStamp | undefined> {
  const now = await stat(stamp.path, { bigint: true }).catch(() => undefined)
  if (now === undefined) return stamp.sizeBytes === -1 ? stamp : undefined
  if (Number(now.size) !== stamp.sizeBytes) return undefined
  if (String(now.mtimeNs) === stamp.mtimeNs) return stamp
  const touched = await stampOf(stamp.path)
  return touched.sha256 === stamp.sha256 ? touched : undefined
}

const CONFIG_FILES = ['package.json', 'tsconfig.json']
const IN_NODE_MODULES = /^(.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/

/**
 * Stamps the files that steer how these sources are resolved and compiled, whether they exist or
 * not: package.json and tsconfig.json of every folder above them, what those extend, and the
 * package.json of each npm package.
 *
 * @param sinceMs when the build began, in milliseconds since 1970; it may have seen a file that was
 *   written later as it was before, so that such a one counts as changed
 */
export async function stampConfigFiles(
  sources: Iterable<string>,
  sinceMs: number,
): Promise<InputStamp[]> {
  const stamps = (await configFilesFor(sources)).map(async path => {
    const stamp = await stampOf(path)
    const written = await stat(path).catch(() => undefined)
    return written && written.mtimeMs > sinceMs - CLOCK_TICK_MS
      ? { ...stamp, mtimeNs: '0', sha256: '' }
      : stamp
  })
  return Promise.all(stamps)
}

async function configFilesFor(sources: Iterable<string>): Promise<string[]> {
  const found = new Set<string>()
  const folders = new Set<string>()
  for (const source of sources) {
    const packageFolder = IN_NODE_MODULES.exec(source)?.[1]
    if (packageFolder !== undefined) {
      found.add(join(packageFolder, 'package.json'))
      continue
    }
    let folder = dirname(source)
    while (!folders.has(folder)) {
      folders.add(folder)
      for (const name of CONFIG_FILES) found.add(join(folder, name))
      folder = dirname(folder)
    }
  }
  // A set visits what is added while it is iterated: the whole chain.
  for (const path of found) {
    if (parse(path).base === 'package.json') continue
    for (const base of await extendedBy(path)) found.add(base)
  }
  return [...found]
}

/** Whether a file belongs to an installed package. */
export function isInstalled(path: string): boolean {
  return path.includes(`${sep}node_modules${sep}`)
}

/** A tsconfig is JSON with comments; only the value of one field is of interest here. */
const EXTENDS = /"extends"\s*:\s*("[^"]*"|\[[^\]]*\])/

async function extendedBy(tsconfig: string): Promise<string[]> {
  const text = await readFile(tsconfig, 'utf8').catch(() => '')
  const names = EXTENDS.exec(text)?.[1]?.match(/[^"]+(?=")/g) ?? []
  return names
    .filter(name => /[\w.]/.test(name))
    .flatMap(name => {
      if (/^\.{0,2}[\\/]/.test(name)) {
        const path = resolve(dirname(tsconfig), name)
        return path.endsWith('.json') ? [path] : [`${path}.json`]
      }
      try {
        return [createRequire(tsconfig).resolve(name)]
      } catch {
        return []
      }
    })
}
