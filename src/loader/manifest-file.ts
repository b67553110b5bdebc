import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { FezzError } from '../errors.ts'
import { invalidManifest, type Manifest, type ManifestInput } from '../function/manifest.ts'
import { deriveManifest, ID_PATTERN, ID_RULE } from '../function/manifest-schema.ts'

/** What a file declares, unchecked. */
export type Declared = Partial<ManifestInput>

/**
 * Reads a declaration.
 *
 * @throws FezzError `INVALID_MANIFEST` when it is no JSON object, with the place
 */
export async function readManifestFile(file: string): Promise<Declared> {
  const text = await readFile(file, 'utf8').catch(error => {
    throw wrong(file, `cannot be read: ${error.code}`)
  })
  let input: unknown
  try {
    input = JSON.parse(text)
  } catch (error) {
    // Only the place, where V8 tells it: it quotes what is there, which may be a secret.
    const place = /\((line \d+ column \d+)\)/.exec((error as Error).message)?.[1]
    throw wrong(file, `is not JSON; look at ${place ?? 'its quotes, commas and brackets'}`)
  }
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw wrong(file, 'is not an object; write one, such as { "path": "/hello" }')
  }
  const { $schema: _, ...declared } = input as Declared & { readonly $schema?: unknown }
  return declared
}

/**
 * The manifest of a function that no JavaScript declares: as of an undecorated function, its id is
 * `name` and its routes are `/<id>` and `/<id>/*` where `declared` does not say otherwise.
 *
 * @param origin the file that declares it, or its folder; for messages
 * @throws FezzError `INVALID_MANIFEST`, naming file, field and value
 */
export function manifestOf(declared: Declared, name: string, origin: string): Manifest {
  const { id = name } = declared
  if (declared.id === undefined && !ID_PATTERN.test(name)) {
    throw wrong(
      origin,
      `the name "${name}" makes no id (${ID_RULE}); write an id into its fezz.json`,
    )
  }
  try {
    return deriveManifest(basename(origin), { ...declared, id })
  } catch (error) {
    throw wrong(origin, (error as FezzError).message)
  }
}

function wrong(file: string, problem: string): FezzError {
  return invalidManifest(`${file}: ${problem}`)
}
