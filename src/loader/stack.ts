import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { type ArtifactCode, BUNDLE_FILE, MAP_FILE } from './artifact.ts'

/** A parsed map of a 60 KB bundle takes about a megabyte. */
const MAX_MAPS = 16
/** What is remembered of each artifact is two paths. */
const MAX_ARTIFACTS = 4096

/** Folder of the entry by the artifact's folder: maps are relative, so that they are alike everywhere. */
const sourceFolders = new Map<string, string>()
/** By the artifact's folder; `undefined` where there is none to be read. */
const maps = new Map<string, SourceMap | undefined>()

/** Makes the frames of an artifact point to its sources. Without it they show relative paths. */
export function rememberArtifact({ folder, entry }: Pick<ArtifactCode, 'folder' | 'entry'>): void {
  remember(sourceFolders, folder, dirname(entry), MAX_ARTIFACTS)
}

/** A frame's place, `/cache/artifacts/<sha256>/bundle.cjs:12:34`: alone on its line or in parentheses. */
const BUNDLE_PLACE =
  /((?:^\s*at (?:async )?|\())((?:\/|[A-Za-z]:\\)[^\n]*?)[\\/]bundle\.cjs:(\d+):(\d+)/gm

/**
 * Rewrites the frames of bundles to the files and lines that the user wrote; all else stays. Never
 * throws. Reads the source map of a bundle when one of its frames first comes by.
 */
export function mapStack(stack: string): string {
  if (!stack.includes(`${BUNDLE_FILE}:`)) return stack
  return stack.replace(BUNDLE_PLACE, (frame, start: string, folder: string, line, column) => {
    const place = sourcePlace(folder, Number(line), Number(column))
    return place === undefined ? frame : start + place
  })
}

/**
 * Makes `error.stack` show sources everywhere in this process, also where user code reads it. For
 * processes that belong to Fezz. An `Error.prepareStackTrace` that is already there keeps its say.
 *
 * @returns takes it out again
 */
export function installStackMapping(): () => void {
  const before = Error.prepareStackTrace
  const prepare: NonNullable<typeof Error.prepareStackTrace> = (error, frames) => {
    const stack = before === undefined ? printStack(error, frames) : before(error, frames)
    return typeof stack === 'string' ? mapStack(stack) : stack
  }
  Error.prepareStackTrace = prepare
  return () => {
    if (Error.prepareStackTrace === prepare) Error.prepareStackTrace = before as typeof prepare
  }
}

/** As V8 prints it when nobody interferes. */
function printStack(error: Error, frames: readonly NodeJS.CallSite[]): string {
  return [headOf(error), ...frames.map(frame => `    at ${frame}`)].join('\n')
}

function headOf(error: Error): string {
  try {
    const { code } = error as { readonly code?: unknown }
    // Node's own errors print their code.
    if (typeof code === 'string' && code.startsWith('ERR_')) return String(error)
    return Error.prototype.toString.call(error)
  } catch {
    // A getter of user code.
    return '<error>'
  }
}

function sourcePlace(folder: string, line: number, column: number): string | undefined {
  // Not findOrigin: it adds the distance from the last mapping, as if no code had grown longer.
  const origin = mapOf(folder)?.findEntry(line - 1, column - 1)
  if (origin === undefined || !('originalSource' in origin)) return undefined
  const { originalSource, originalLine, originalColumn } = origin
  // Maps come from outside too, and one may name sources that it does not have.
  if (typeof originalSource !== 'string') return undefined
  const sources = sourceFolders.get(folder)
  const file = sources === undefined ? originalSource : resolve(sources, originalSource)
  return `${file}:${originalLine + 1}:${originalColumn + 1}`
}

function mapOf(folder: string): SourceMap | undefined {
  if (!maps.has(folder)) remember(maps, folder, readMap(folder), MAX_MAPS)
  return maps.get(folder)
}

function readMap(folder: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(join(folder, MAP_FILE), 'utf8')))
  } catch {
    return undefined
  }
}

/** The oldest makes room. */
function remember<T>(map: Map<string, T>, key: string, value: T, limit: number): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > limit) map.delete(map.keys().next().value as string)
}
