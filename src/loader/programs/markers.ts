import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Name of the file that describes a runtime. */
export const RUNTIME_FILE = 'runtime.json'

/** A file that tells the runtime, by being there or by what is in it. */
export interface Marker {
  readonly file: string
  /** Only where this JSON file has this field: `scripts.start`. */
  readonly field?: string
  /** Only where the file that this field of it names does not exist. */
  readonly unlessFile?: string
}

/** Whether a folder has one of the markers. */
export async function hasMarker(folder: string, markers: readonly Marker[]): Promise<boolean> {
  for (const marker of markers) if (await matches(folder, marker)) return true
  return false
}

async function matches(folder: string, { file, field, unlessFile }: Marker): Promise<boolean> {
  const path = join(folder, file)
  if (field === undefined) return isFile(path)
  const text = await readFile(path, 'utf8').catch(() => '{}')
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch {
    // Whoever builds it gets the message of the tool that needs it.
    return false
  }
  if (typeof at(content, field) !== 'string') return false
  const other = unlessFile === undefined ? undefined : at(content, unlessFile)
  return typeof other !== 'string' || !(await isFile(join(folder, other)))
}

function at(content: unknown, field: string): unknown {
  return field
    .split('.')
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | null)?.[key], content)
}

/** Whether there is a file, or a link to one. */
export async function isFile(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() ?? false
}
