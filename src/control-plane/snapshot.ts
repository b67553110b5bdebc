import { createHash, type Hash, randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { runInSlices, type Steps } from '../routing/slices.ts'
import type { Listing, Revision, StoredValue } from './store.ts'

/** A state of the store, kept for a start without it. */
export interface Snapshot extends Listing {
  /** Which store it is of; a snapshot of another one is of no use. */
  readonly store: string
  /** ISO 8601. */
  readonly savedAt: string
  /** The store had lost some of these entries when it was written. */
  readonly suspect?: boolean
}

/** What is in a snapshot file. `reason` says, for people, why it can't be used. */
export type SnapshotFound =
  | { readonly kind: 'found'; readonly snapshot: Snapshot }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unusable'; readonly reason: string }

/** First line. */
interface Header {
  readonly format: string
  readonly version: number
  readonly store: string
  readonly revision: Revision
  readonly savedAt: string
  readonly suspect: boolean
  /** How many lines follow, without the last. */
  readonly entries: number
}

/** Each line but the first and the last. */
interface Line extends StoredValue {
  readonly key: string
}

const FORMAT = 'fezz-snapshot'
/** Raised when a reader of the version before would misunderstand the file. */
const VERSION = 1

/** Enough for few writes, little enough to be made within a millisecond. */
const CHUNK_CHARACTERS = 32_768

const LINE_END = 0x0a

/**
 * Writes a snapshot whole or not at all, safe from a loss of power: JSON Lines, one for each entry,
 * and a last one with the sha256 of those before it. Only its owner can read the file, because
 * entries may hold secrets. `entries` must stay as they are meanwhile.
 *
 * @throws what the file system throws
 */
export async function writeSnapshot(file: string, snapshot: Snapshot): Promise<void> {
  const temporary = `${file}.${randomUUID()}.tmp`
  await mkdir(dirname(file), { recursive: true })
  try {
    const handle = await open(temporary, 'wx', 0o600)
    try {
      await writeLines(handle, snapshot)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncFolder(dirname(file))
}

/** Reads a snapshot back, whole and unharmed or not at all. Never throws. */
export async function readSnapshot(file: string): Promise<SnapshotFound> {
  let content: Buffer
  try {
    content = await readFile(file)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return { kind: 'absent' }
    return { kind: 'unusable', reason: `it cannot be read (${code ?? message})` }
  }
  try {
    return { kind: 'found', snapshot: await runInSlices(parse(content)) }
  } catch (error) {
    return { kind: 'unusable', reason: (error as Error).message }
  }
}

/** Each write leaves the event loop, so no slice is longer than a chunk takes. */
async function writeLines(handle: FileHandle, snapshot: Snapshot): Promise<void> {
  const { store, revision, savedAt, suspect = false, entries } = snapshot
  const hash = createHash('sha256')
  const header = { format: FORMAT, version: VERSION, store, revision, savedAt, suspect }
  let chunk = line({ ...header, entries: entries.size } satisfies Header)
  for (const [key, stored] of entries) {
    chunk += line({ key, revision: stored.revision, value: stored.value } satisfies Line)
    if (chunk.length < CHUNK_CHARACTERS) continue
    await writeChunk(handle, chunk, hash)
    chunk = ''
  }
  await writeChunk(handle, chunk, hash)
  await handle.appendFile(line({ sha256: hash.digest('hex') }))
}

async function writeChunk(handle: FileHandle, chunk: string, hash: Hash): Promise<void> {
  const bytes = Buffer.from(chunk)
  hash.update(bytes)
  await handle.appendFile(bytes)
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`
}

/** A rename lasts only once its folder is on the disk; where folders cannot be synced, it has to do. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined)
  await handle?.sync().catch(() => {})
  await handle?.close()
}

function* parse(content: Buffer): Steps<Snapshot> {
  const hash = createHash('sha256')
  const lines = linesOf(content)
  const first = lines.next().value
  const header = headerOf(first)
  hash.update(first as Buffer)
  const entries = new Map<string, StoredValue>()
  for (let count = 0; count < header.entries; count++) {
    const next = lines.next().value
    const { key, revision, value } = lineOf(next, count + 2)
    hash.update(next as Buffer)
    entries.set(key, { value, revision })
    yield
  }
  const footer = parseLine(lines.next().value)
  if (footer === undefined) throw new Error('its end is missing')
  if (footer['sha256'] !== hash.digest('hex')) throw new Error('its checksum is wrong')
  if (!lines.next().done) throw new Error('something follows its end')
  const { store, revision, savedAt, suspect } = header
  return { store, revision, savedAt, suspect, entries }
}

/** Each with its line end; what follows the last line end too. */
function* linesOf(content: Buffer): Generator<Buffer, undefined> {
  for (let from = 0; from < content.length; ) {
    const end = content.indexOf(LINE_END, from) + 1 || content.length
    yield content.subarray(from, end)
    from = end
  }
}

function headerOf(first: Buffer | undefined): Header {
  const header = parseLine(first)
  if (header?.['format'] !== FORMAT) throw new Error('it is not a snapshot of Fezz')
  const { version } = header
  if (typeof version === 'number' && version > VERSION) {
    throw new Error(`a newer Fezz has written it (format ${version}, this one knows ${VERSION})`)
  }
  const { store, revision, savedAt, suspect, entries } = header
  const isComplete =
    version === VERSION &&
    typeof store === 'string' &&
    isRevision(revision) &&
    typeof savedAt === 'string' &&
    Number.isFinite(Date.parse(savedAt)) &&
    typeof suspect === 'boolean' &&
    Number.isSafeInteger(entries)
  if (!isComplete) throw new Error('its first line is damaged')
  return header as unknown as Header
}

function lineOf(bytes: Buffer | undefined, number: number): Line {
  const found = parseLine(bytes)
  const isComplete =
    typeof found?.['key'] === 'string' &&
    typeof found['value'] === 'string' &&
    isRevision(found['revision'])
  if (!isComplete) throw new Error(`its line ${number} is damaged or missing`)
  return found as unknown as Line
}

function isRevision(value: unknown): value is Revision {
  return typeof value === 'string' && /^\d+$/.test(value)
}

/** `undefined` for what is no whole line with an object. */
function parseLine(bytes: Buffer | undefined): Record<string, unknown> | undefined {
  if (bytes === undefined || bytes.at(-1) !== LINE_END) return undefined
  try {
    const value: unknown = JSON.parse(bytes.toString())
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
