import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { basename, dirname, extname, join, parse, resolve } from 'node:path'
import { FezzError } from '../errors.ts'
import { isFile } from './programs/markers.ts'
import type { Runtimes } from './programs/runtimes.ts'

/** A source file to be built, with what it imports, as one bundle. */
export interface Entry {
  /** Absolute, symbolic links resolved: imports are resolved from there, as Node does. */
  readonly file: string
  /** What default ids are made of: the file's name; the folder's where the file is its index. */
  readonly name: string
}

/** Name of the file that makes one function of its folder and declares it. */
export const FUNCTION_FILE = 'fezz.json'
/** Names of source files. */
export const SOURCE = /\.[cm]?[jt]sx?$/
const NOT_A_FUNCTION = /^[_.]|\.(?:test|spec)\.[^.]+$|\.d\.[cm]?ts$|^node_modules$/
const INDEX = /^index\.[cm]?[jt]sx?$/

/** Something that is one function, or a source file of several. */
export interface Found extends Entry {
  /**
   * `folder`: its files tell what it is, a fezz.json or the markers of a runtime; `declaration`: a
   * JSON file alone, without code beside it.
   */
  readonly kind: 'source' | 'folder' | 'declaration'
}

/**
 * What is behind a path. A source file is itself. A folder with a fezz.json is one function, and so
 * is one that has an `index.*`, or a package.json whose `main` exists. Any other folder holds
 * functions: its source files, and those of its folders that are one function; also those that only
 * the markers of a runtime make one, such as go.mod. Such a folder, named itself, is one function if it
 * has no source files, or a start script that is Node with one of them. Skipped are names with a leading
 * `_` or `.`, tests (`*.test.*`, `*.spec.*`), declarations and node_modules.
 *
 * @param path absolute, or relative to the working directory
 * @returns in the order of their names
 * @throws FezzError `BUILD_FAILED` when there is none
 */
export async function findFunctions(path: string, runtimes: Runtimes): Promise<Found[]> {
  const found = await foundAt(resolve(path), runtimes)
  const all = await Promise.all(found.map(one => unlessGone(resolved(one))))
  return all.filter(one => one !== undefined)
}

async function resolved(found: Found): Promise<Found> {
  return { ...found, file: await realpath(found.file) }
}

/** Of what a folder had when it was listed. It may go at any moment, and takes no other along. */
const GONE: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR'])
/** A lost+found on a volume is nobody's function, and nobody may look into it. */
const CLOSED: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM'])

/** What `look` finds; nothing where what it looks at has gone meanwhile, or is closed to us. */
async function unlessGone<T>(look: Promise<T>): Promise<T | undefined> {
  try {
    return await look
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (GONE.has(code) || CLOSED.has(code)) return undefined
    throw error
  }
}

async function foundAt(place: string, runtimes: Runtimes): Promise<Found[]> {
  const found = await stat(place).catch(cause => {
    throw new FezzError('BUILD_FAILED', `${place}: there is no such file or folder`, { cause })
  })
  if (!found.isDirectory()) return [foundFile(place)]
  const own = (await declaredFolder(place)) ?? (await projectIn(place))
  if (own !== undefined) return [own]
  // A project may have its functions in its top folder, beside a package.json with a start script;
  // what is only within a program, such as its frontend, is no function.
  const isProgram = await runtimes.isProgram(place)
  if (isProgram && ((await startsOwnFile(place)) || (await foundIn(place)).length === 0)) {
    return [folderAt(place)]
  }
  const within = await foundIn(place, runtimes)
  if (within.length > 0) return within
  throw new FezzError(
    'BUILD_FAILED',
    `${place}: no functions in it; name a folder with .ts or .js files, a fezz.json, a requirements.txt or a go.mod`,
  )
}

/** @param runtimes absent: their markers make no function */
async function foundIn(folder: string, runtimes?: Runtimes): Promise<Found[]> {
  const children = (await readdir(folder))
    .filter(name => !NOT_A_FUNCTION.test(name))
    .sort()
    .map(name => join(folder, name))
  const all = await Promise.all(children.map(child => unlessGone(childAt(child, runtimes))))
  return all.filter(found => found !== undefined)
}

async function childAt(child: string, runtimes?: Runtimes): Promise<Found | undefined> {
  // stat, not the folder's own word for it: a symbolic link is what it points to.
  const found = await stat(child).catch(() => undefined)
  if (!found?.isDirectory()) {
    return found?.isFile() && SOURCE.test(child) ? foundFile(child) : undefined
  }
  const own = (await declaredFolder(child)) ?? (await projectIn(child))
  if (own !== undefined) return own
  return (await runtimes?.isProgram(child)) ? folderAt(child) : undefined
}

function foundFile(file: string): Found {
  const name = basename(file)
  if (name === FUNCTION_FILE) return folderAt(dirname(file))
  if (name.endsWith('.json')) return { kind: 'declaration', file, name: parse(file).name }
  return { kind: 'source', ...entryOfFile(file) }
}

async function declaredFolder(folder: string): Promise<Found | undefined> {
  return (await isFile(join(folder, FUNCTION_FILE))) ? folderAt(folder) : undefined
}

async function projectIn(folder: string): Promise<Found | undefined> {
  const entry = await projectEntry(folder)
  return entry && { kind: 'source', ...entry }
}

function folderAt(folder: string): Found {
  return { kind: 'folder', file: folder, name: basename(folder) }
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

/** The entry of a folder that is one function in JavaScript: its `main`, else its index. */
export async function projectEntry(folder: string): Promise<Entry | undefined> {
  const main = (await mainOf(folder)) ?? (await readdir(folder)).sort().find(isIndex)
  if (main === undefined) return undefined
  const file = join(folder, main)
  return { file, name: basename(folder) + parse(file).ext }
}

function isIndex(name: string): boolean {
  return INDEX.test(name)
}

/** Whether `npm start` is Node with a file of the folder, such as app.js: a program, and no functions. */
async function startsOwnFile(folder: string): Promise<boolean> {
  const start = (await packageIn(folder)).scripts?.start
  const [node, ...words] = typeof start === 'string' ? start.trim().split(/\s+/) : []
  if (node !== 'node') return false
  const all = await Promise.all(words.map(word => isFile(join(folder, word))))
  return all.includes(true)
}

async function mainOf(folder: string): Promise<string | undefined> {
  const { main } = await packageIn(folder)
  if (typeof main !== 'string' || !SOURCE.test(main)) return undefined
  return (await isFile(join(folder, main))) ? main : undefined
}

interface PackageJson {
  readonly main?: unknown
  readonly scripts?: { readonly start?: unknown } | null
}

async function packageIn(folder: string): Promise<PackageJson> {
  const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => '{}')
  try {
    return (JSON.parse(text) as PackageJson | null) ?? {}
  } catch {
    // Whoever imports by it gets the bundler's message with the place.
    return {}
  }
}
