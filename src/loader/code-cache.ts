import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compileFunction } from 'node:vm'
import { crc32 } from 'node:zlib'
import { BUNDLE_FILE, writeAtomically } from './artifact.ts'

/** V8 takes the data of its own version only. */
const CACHE_FILE = `${BUNDLE_FILE}.v8-${process.versions.v8}-${process.arch}`
const CHECKSUM_BYTES = 4

// biome-ignore lint/complexity/noBannedTypes: what vm.compileFunction returns
type CompiledFunction = Function

/**
 * Compiles the bundle of an artifact as the body of a function, the second time from what V8 kept of
 * the first (in the artifact's folder). Where that cannot be written, it is compiled each time.
 *
 * Nothing of it stays in memory once the function is let go of, which is what
 * `vm.compileFunction` alone can do: ES modules and `vm.Script` stay for ever.
 */
export async function compileBundle(
  folder: string,
  parameters: readonly string[],
): Promise<CompiledFunction> {
  const filename = join(folder, BUNDLE_FILE)
  const cacheFile = join(folder, CACHE_FILE)
  const [source, cachedData] = await Promise.all([
    readFile(filename, 'utf8'),
    readFile(cacheFile).then(withoutChecksum, () => undefined),
  ])
  if (cachedData !== undefined) {
    const compiled = compileFunction(source, parameters, { filename, cachedData })
    // After an update of Node, or with other flags than last time.
    if (compiled.cachedDataRejected !== true) return compiled
  }
  const compiled = compileFunction(source, parameters, { filename, produceCachedData: true })
  if (compiled.cachedData !== undefined) {
    await writeAtomically(cacheFile, withChecksum(compiled.cachedData)).catch(() => {})
  }
  return compiled
}

/** V8 verifies its data in debug builds only, and damaged data can end the process. */
function withChecksum(data: Buffer): Buffer {
  const checksum = Buffer.alloc(CHECKSUM_BYTES)
  checksum.writeUInt32LE(crc32(data))
  return Buffer.concat([data, checksum])
}

function withoutChecksum(content: Buffer): Buffer | undefined {
  const end = content.length - CHECKSUM_BYTES
  if (end <= 0) return undefined
  const data = content.subarray(0, end)
  return content.readUInt32LE(end) === crc32(data) ? data : undefined
}
