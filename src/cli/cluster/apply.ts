import { readFile } from 'node:fs/promises'
import { checkFunctionEntry } from '../../control-plane/entry-schema.ts'
import { type ArtifactReference, FunctionEntry } from '../../control-plane/function-entry.ts'
import { FunctionStore } from '../../control-plane/function-store.ts'
import { parseJson } from '../../control-plane/json-text.ts'
import { compareRevisions } from '../../control-plane/store.ts'
import { FezzError } from '../../errors.ts'
import type { Balance, Placement } from '../../function/placement.ts'
import type { ArtifactStore } from '../../loader/artifact-store.ts'
import { openArtifactStore } from '../../loader/artifact-stores/open.ts'
import { Loader } from '../../loader/loader.ts'
import { uploadArtifact } from '../../loader/upload-artifact.ts'
import { artifactsOf } from '../../runtime/configured-store.ts'
import { awaitNodes } from './await-nodes.ts'
import { diffEntry, type EntryDiff } from './diff.ts'
import { type Session, withStore } from './session.ts'

export interface ApplyOptions {
  readonly flags: Readonly<Record<string, unknown>>
  /** Only say what would change. */
  readonly dryRun: boolean
  /** How many nodes must have applied it before the command ends. */
  readonly wait: number | 'all'
  readonly timeoutMs: number
  readonly placement: Placement
  readonly balance: Balance
  readonly json: boolean
}

/**
 * `fezz apply`: builds functions, puts their code into the artifact store and their entries into the
 * store, and waits until hosts serve them.
 *
 * @param paths source files, folders of them, and entries as `.json` files
 * @throws FezzError `BUILD_FAILED`, `INVALID_ENTRY`, `CONFLICT`, `STORE_UNAVAILABLE`, and
 *   `FUNCTION_LOAD_FAILED` when a host could not put an entry in force
 */
export function apply(paths: readonly string[], options: ApplyOptions): Promise<void> {
  return withStore(options.flags, session => applyIn(session, paths, options))
}

async function applyIn(
  session: Session,
  paths: readonly string[],
  options: ApplyOptions,
): Promise<void> {
  const { store, log, print } = session
  const { dryRun, json, wait, timeoutMs } = options
  const entries = await entriesOf(session, paths, options)
  refuseTwins(entries)
  const functions = new FunctionStore(store, { log })
  const before = await functions.list()
  const diffs = entries.map(entry => {
    const known = before.rejected.has(entry.id) ? 'wrong' : before.entries.get(entry.id)
    return { entry, ...diffEntry(known, entry) }
  })
  if (!json) for (const diff of diffs) print(lineOf(diff))
  const changes = diffs.filter(({ change }) => change !== 'unchanged')
  const revisions = new Map(before.revisions)
  if (!dryRun) {
    for (const { entry } of changes) {
      const ifRevision = revisions.get(entry.id) ?? null
      const revision = await functions
        .register(entry, { ifRevision })
        .catch(asChangedMeanwhile(entry))
      revisions.set(entry.id, revision)
    }
  }
  // Not the store's own: in some stores that one moves with every key, also with those of others.
  const revision = entries
    .map(({ id }) => revisions.get(id) ?? '0')
    .reduce((a, b) => (compareRevisions(a, b) < 0 ? b : a), '0')
  const waits = !dryRun && wait !== 0
  const applied = waits
    ? await awaitNodes({ store, log, revision, count: wait, timeoutMs })
    : { nodes: [], problems: [] }
  const ids = new Set(entries.map(({ id }) => id))
  const problems = applied.problems.filter(({ id }) => ids.has(id))
  if (json) {
    const told = diffs.map(({ id, change, fields }) => ({ id, change, fields }))
    print(JSON.stringify({ revision, functions: told, nodes: applied.nodes, problems }))
  } else if (waits) {
    print(appliedBy(applied.nodes))
  }
  const [problem] = problems
  if (problem !== undefined) {
    throw new FezzError(
      'FUNCTION_LOAD_FAILED',
      `node ${problem.node} could not put "${problem.id}" in force: ${problem.message}`,
    )
  }
}

/** Somebody else was faster, and may have meant something else. */
function asChangedMeanwhile({ id }: FunctionEntry): (error: unknown) => never {
  return error => {
    if (!(error instanceof FezzError) || error.code !== 'CONFLICT') throw error
    throw new FezzError(
      'CONFLICT',
      `somebody else has changed function "${id}" meanwhile; call fezz apply again to see what is different now`,
      { cause: error },
    )
  }
}

function asNotUploaded(id: string): (error: unknown) => never {
  return error => {
    if (!(error instanceof FezzError)) throw error
    throw new FezzError(
      error.code,
      `the code of "${id}" cannot be put into the artifact store: ${error.message}; look at --artifacts`,
      { cause: error },
    )
  }
}

/** The later one would win, and nobody would know. */
function refuseTwins(entries: readonly FunctionEntry[]): void {
  const ids = new Set<string>()
  for (const { id } of entries) {
    if (ids.has(id)) {
      throw new FezzError(
        'INVALID_ENTRY',
        `two of the files are function "${id}"; apply one of them`,
      )
    }
    ids.add(id)
  }
}

async function entriesOf(
  { config, log }: Session,
  paths: readonly string[],
  { placement, balance, dryRun }: ApplyOptions,
): Promise<FunctionEntry[]> {
  const written = paths.filter(path => path.endsWith('.json'))
  const sources = paths.filter(path => !path.endsWith('.json'))
  const entries = await Promise.all(written.map(readEntry))
  if (sources.length === 0) return entries
  const loader = new Loader({ cacheDir: config.cacheDir, log })
  const { functions, errors } = await loader.load(sources)
  if (errors.length > 0) {
    throw new FezzError('BUILD_FAILED', errors.map(({ message }) => message).join('\n'))
  }
  for (const { code, origin } of functions) if (code.kind === 'program') throw notForStores(origin)
  let artifacts: ArtifactStore | undefined
  for (const { manifest, code } of functions) {
    let reference: ArtifactReference | undefined
    if (code.kind === 'artifact') {
      artifacts ??= artifactStoreOf(config)
      if (!dryRun) await uploadArtifact(artifacts, code).catch(asNotUploaded(manifest.id))
      reference = { sha256: code.sha256, exportName: code.exportName }
    }
    entries.push(new FunctionEntry(manifest, { code: reference, placement, balance }))
  }
  return entries
}

function artifactStoreOf(config: Session['config']): ArtifactStore {
  const address = artifactsOf(config)
  if (address !== undefined) return openArtifactStore(address)
  throw new FezzError(
    'INVALID_CONFIG',
    'there is no artifact store for the code; write --artifacts /folder, or --artifacts https://…, which every host can read',
  )
}

/** The hosts could not be sure to have what it needs: its runtime, its tools. */
function notForStores(origin: string): FezzError {
  return new FezzError(
    'BUILD_FAILED',
    `${origin}: a program cannot be put into a store; publish it as a container image and write { "image": "…" } into its fezz.json`,
  )
}

async function readEntry(path: string): Promise<FunctionEntry> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new FezzError('INVALID_ENTRY', `${path} cannot be read: ${code}`, { cause })
  }
  let input: unknown
  try {
    input = parseJson(text)
  } catch (error) {
    throw new FezzError('INVALID_ENTRY', `${path} ${(error as Error).message}`)
  }
  return checkFunctionEntry(input, path)
}

const SIGNS = { added: '+', updated: '~', unchanged: '=' } as const

function lineOf({ entry, change, fields }: EntryDiff & { readonly entry: FunctionEntry }): string {
  const { id, version } = entry.manifest
  const what = fields.length === 0 ? change : fields.join(', ')
  return `${SIGNS[change]} ${id} ${version}  ${what}`
}

function appliedBy(nodes: readonly string[]): string {
  if (nodes.length === 0) return 'registered; no host is there yet'
  return `in force on ${nodes.length === 1 ? 'node' : 'nodes'} ${[...nodes].sort().join(', ')}`
}
