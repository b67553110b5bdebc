import { mkdir, mkdtemp, realpath, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { ArtifactCode } from '../../src/function/contract.ts'
import { type EvaluatedArtifact, evaluateArtifact } from '../../src/loader/evaluate.ts'
import type { LoadedFunction } from '../../src/loader/loaded-function.ts'
import { Loader, type LoaderOptions, type LoadResult } from '../../src/loader/loader.ts'
import type { Logger } from '../../src/telemetry/logger.ts'

/** Files by path from the folder's top. */
export type Files = Readonly<Record<string, string | Uint8Array>>

/** A folder with these files, written a minute ago; gone when the test is. */
export async function createProject(files: Files): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'fezz-loader-')))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await writeFiles(folder, files)
  const written = new Date(Date.now() - 60_000)
  for (const path of Object.keys(files)) await utimes(join(folder, path), written, written)
  return folder
}

export async function writeFiles(folder: string, files: Files): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content)
  }
}

/** Says nothing. */
export const silent: Logger = {
  error() {},
  warn() {},
  info() {},
  debug() {},
  child: () => silent,
  isLevelEnabled: () => false,
}

export function createLoader(folder: string, options: Partial<LoaderOptions> = {}): Loader {
  return new Loader({ cacheDir: join(folder, '.cache'), log: silent, ...options })
}

/** The code of a function that is JavaScript. */
export function artifactOf(found: LoadedFunction | undefined): ArtifactCode {
  if (found?.code.kind === 'artifact') return found.code
  throw new Error(`no artifact was loaded, but ${found?.code.kind}`)
}

/** Loads one file of a new project. */
export async function loadFile(files: Files, file = Object.keys(files)[0] as string) {
  const folder = await createProject(files)
  return { folder, ...(await createLoader(folder).load([join(folder, file)])) }
}

type Exports = Record<string, unknown> & {
  default: { fetch(request: Request, ...rest: unknown[]): Response | Promise<Response> }
}

/** Evaluates the first function of a result; disposed when the test is over. */
export async function evaluateFirst({ functions, errors }: LoadResult) {
  if (functions.length === 0) throw new AggregateError(errors, 'nothing was loaded')
  const code = artifactOf(functions[0])
  const module: EvaluatedArtifact = await evaluateArtifact(code)
  onTestFinished(() => module.dispose())
  return { code, module, exports: module.exports as Exports }
}

/** The text that the first function of a one-file project answers with. */
export async function answerOf(files: Files, file?: string): Promise<string> {
  const { exports } = await evaluateFirst(await loadFile(files, file))
  const response = await exports.default.fetch(new Request('http://localhost/'))
  return response.text()
}
