import { FezzError } from '../../errors.ts'

const EXTENSION = '.json'

/** What some file system does not take in a name, and the sign that escapes it. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const ODD = /[\u0001-\u001f\u007f<>:"\\|?*%]|[. ]$/g

/**
 * The file of a key, relative to the folder: `a/b:c` is in `a/b%3Ac.json`.
 *
 * @throws FezzError `INVALID_ENTRY` when a segment is empty, begins with a dot, or has a NUL or half
 *   of a surrogate pair
 */
export function pathOf(key: string): string {
  const segments = key.split('/')
  for (const segment of segments) {
    if (segment === '' || segment.startsWith('.') || /\0/.test(segment) || !key.isWellFormed()) {
      throw new FezzError(
        'INVALID_ENTRY',
        `key ${JSON.stringify(key)} cannot be a file: its segments must not be empty, begin with a dot or have a NUL`,
      )
    }
  }
  const name = segments.pop() as string
  // `a.json` as a folder would be in the way of the file of key `a`.
  const folders = segments.map(segment => escaped(segment).replace(/\.json$/, '%2Ejson'))
  return [...folders, escaped(name) + EXTENSION].join('/')
}

/** The key of a file; `undefined` when no key has that file. */
export function keyOf(path: string): string | undefined {
  if (!path.endsWith(EXTENSION)) return undefined
  const key = path
    .slice(0, -EXTENSION.length)
    .replace(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  try {
    return pathOf(key) === path ? key : undefined
  } catch {
    return undefined
  }
}

function escaped(segment: string): string {
  return segment.replace(
    ODD,
    character => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}
