import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { basename, dirname, extname, join, parse, resolve } from 'node:path'
import { FezzError } from '../errors.ts'

/** A source file to be built, with what it imports, as one bundle. */
export interface Entry {
  /** Absolute, symbolic links resolved: imports are resolved from there, as Node does. */
  readonly file: string
  /** What default ids are made of: the file's name; the folder's where the file is its index. */
  readonly name: string
}

/** Names of source files. */
export const SOURCE = /\.[cm]?[jt]sx?$/
const NOT_A_FUNCTION = /^[_.]|\.(?:test|spec)\.[^.]+$|\.d\.[cm]?ts$|^node_modules$/
const INDEX = /^index\.[cm]?[jt]sx?$/

/**
 * The function files behind a path. A file is itself. A folder that has an `index.*`, or a
 * package.json whose `main` exists, is one function, named like the folder. Any other folder holds
 * functions: its source files and those of its folders that are one function. Skipped are names
 * with a leading `_` or `.`, tests (`*.test.*`, `*.spec.*`), declarations and node_modules.
 *
 * @param path absolute, or relative to the working directory
 * @returns in the order of their names
 * @throws FezzError `BUILD_FAILED` when there is none
 */
export async function findEntries(path: string): Promise<Entry[]> {
  const entries = await entriesAt(path)
  return Promise.all(entries.map(async ({ file, name }) => ({ file: await realpath(file), name })))
}

async function entriesAt(path: string): Promise<Entry[]> {
  const place = resolve(path)
  const found = await stat(place).catch(cause => {
    throw new FezzError('BUILD_FAILED', `${place}: there is no such file or folder`, { cause })
  })
  if (!found.isDirectory()) return [entryOfFile(place)]
  const project = await projectEntry(place)
  if (project !== undefined) return [project]
  const entries = await entriesIn(place)
  if (entries.length === 0) {
    throw new FezzError(
      'BUILD_FAILED',
      `${place}: no function files; name a folder with .ts or .js files, or a file`,
    )
  }
  return entries
}

async function entriesIn(folder: string): Promise<Entry[]> {
  const children = (await readdir(folder))
    .filter(name => !NOT_A_FUNCTION.test(name))
    .sort()
    .map(name => join(folder, name))
  const entries = await Promise.all(
    children.map(async child => {
      // stat, not the folder's own word for it: a symbolic link is what it points to.
      const found = await stat(child).catch(() => undefined)
      if (found?.isDirectory()) return projectEntry(child)
      return found?.isFile() && SOURCE.test(child) ? entryOfFile(child) : undefined
    }),
  )
  return entries.filter(entry => entry !== undefined)
}

function entryOfFile(file: string): Entry {
  if (!SOURCE.test(file)) {
    throw new FezzError(
      'BUILD_FAILED',
      `${file}: not a source file; write .ts, .tsx, .mts, .cts, .js, .jsx, .mjs or .cjs`,
    )
  }
  if (!INDEX.test(basename(file))) return { file, name: basename(file) }
  return { file, name: basename(dirname(file)) + extname(file) }
}

async function projectEntry(folder: string): Promise<Entry | undefined> {
  const main = (await mainOf(folder)) ?? (await readdir(folder)).sort().find(isIndex)
  if (main === undefined) return undefined
  const file = join(folder, main)
  return { file, name: basename(folder) + parse(file).ext }
}

function isIndex(name: string): boolean {
  return INDEX.test(name)
}

async function mainOf(folder: string): Promise<string | undefined> {
  const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => '{}')
  let main: unknown
  try {
    main = (JSON.parse(text) as { readonly main?: unknown } | null)?.main
  } catch {
    // Whoever imports by it gets the bundler's message with the place.
    return undefined
  }
  if (typeof main !== 'string' || !SOURCE.test(main)) return undefined
  const found = await stat(join(folder, main)).catch(() => undefined)
  return found?.isFile() ? main : undefined
}
