import { createHash } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { ArtifactCode } from '../../src/function/contract.ts'
import { BUNDLE_FILE, MAP_FILE } from '../../src/loader/artifact.ts'
import { bundle } from '../../src/loader/bundle.ts'
import type { FixtureName } from './executor-contract.ts'

const SOURCES = join(import.meta.dirname, 'executor-functions.ts')

const folder = mkdtempSync(join(tmpdir(), 'fezz-artifact-'))
let building: Promise<string> | undefined

afterAll(() => rm(folder, { recursive: true, force: true }))

/** The code of a fixture, bundled as every function is. Not by the Loader: they declare nothing. */
export async function artifactOf(name: FixtureName): Promise<ArtifactCode> {
  building ??= build()
  return { kind: 'artifact', sha256: await building, folder, exportName: name, entry: SOURCES }
}

/** @returns the sha256 of the bundle */
async function build(): Promise<string> {
  const { code, map } = await bundle(SOURCES, 'executor-functions', new Map())
  await writeFile(join(folder, BUNDLE_FILE), code)
  await writeFile(join(folder, MAP_FILE), map)
  return createHash('sha256').update(code).digest('hex')
}
