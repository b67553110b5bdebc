import { resolve } from 'node:path'
import { FezzError } from '../errors.ts'

/** What is used of a message of esbuild. */
export interface BuildMessage {
  readonly text: string
  readonly location: {
    readonly file: string
    /** From 1. */
    readonly line: number
    /** From 0, in bytes. */
    readonly column: number
    readonly lineText: string
  } | null
  readonly notes?: readonly Omit<BuildMessage, 'notes'>[]
}

/** The functions' own wording for what only ES modules have. */
const TOP_LEVEL_AWAIT =
  'top-level await is not supported: a function is loaded as one CommonJS bundle. Move it into onLoad'

/** What esbuild says of options of its own, which nobody can set here. */
const ABOUT_OPTIONS = /^You can mark the path/
const MISSING_PACKAGE = /^Could not resolve "((?:@[\w.-]+\/)?\w[\w.-]*)[/"]/

/**
 * Why sources do not build, for people: each message with `file:line:column` (absolute, from 1) and
 * the line itself.
 *
 * @param folder where relative paths of the messages start
 */
export function buildFailed(
  entry: string,
  messages: readonly BuildMessage[],
  folder: string,
  cause: unknown,
): FezzError {
  const text = messages.map(message => describeMessage(message, folder)).join('\n')
  return new FezzError('BUILD_FAILED', text || `${entry}: ${String(cause)}`, { cause })
}

/** One message with its place: `file:line:column: text`, the line, and its notes. */
export function describeMessage(message: BuildMessage, folder: string): string {
  const awaits = /top-level await/i.test(message.text)
  const text = awaits ? TOP_LEVEL_AWAIT : message.text
  // The notes of a require() say where in its target the await is.
  const notes = (message.notes ?? [])
    .filter(note => note.location !== null || !awaits)
    .filter(note => !ABOUT_OPTIONS.test(note.text))
    .map(note => `\n  ${place(note, folder)}${note.text}`)
  const missing = MISSING_PACKAGE.exec(message.text)?.[1]
  if (missing !== undefined)
    notes.push(`\n  If it is a package, install it: npm install ${missing}`)
  return `${place(message, folder)}${text}${excerpt(message)}${notes.join('')}`
}

function place({ location }: BuildMessage, folder: string): string {
  if (location === null) return ''
  const column = before(location).length + 1
  return `${resolve(folder, location.file)}:${location.line}:${column}: `
}

function excerpt({ location }: BuildMessage): string {
  const line = location?.lineText ?? ''
  // A line of minified code would drown the message.
  if (location === null || line.trim() === '' || line.length > 200) return ''
  return `\n    ${line}\n    ${before(location).replace(/[^\t]/g, ' ')}^`
}

/** esbuild's column counts bytes of UTF-8. */
function before({ lineText, column }: NonNullable<BuildMessage['location']>): string {
  return Buffer.from(lineText).subarray(0, column).toString()
}
