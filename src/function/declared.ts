import { ACCEPTED_FORMS, conventionOf, declarationOf, describe, exportOf } from './adapt.ts'
import { invalidManifest, type Manifest, type ManifestInput } from './manifest.ts'
import { checkManifest, deriveManifest, withoutAbsent } from './manifest-schema.ts'

/** For who has named a program, such as an Express app with a `main`, where a function is expected. */
const SERVES_BY_ITSELF =
  'A program that listens on a port by itself, such as an Express app, needs a fezz.json beside it: { "runtime": "node" }'

/** One function of a module: what it is called there, and its checked manifest. */
export interface FoundFunction {
  readonly exportName: string
  readonly manifest: Manifest
}

/**
 * Every function of a module: each exported class with `@FezzFunction`, under whatever name, and
 * the default export where it follows another convention. The latter's manifest is
 * `export const manifest = {...}`, which may be partial; its id defaults to the file's name, its
 * routes to `/<id>` and `/<id>/*`.
 *
 * @param moduleExports what the module exports; of a CommonJS module, its `module.exports`
 * @param fileName of which default ids are made; it may be made up, so that no message names it
 * @throws FezzError `INVALID_MANIFEST` when there is none, one is wrong, or two have the same id
 */
export function functionsIn(moduleExports: object, fileName: string): FoundFunction[] {
  const found = decoratedIn(moduleExports)
  const value = exportOf(moduleExports, 'default')
  const declared = (moduleExports as { readonly manifest?: Partial<ManifestInput> }).manifest
  if (conventionOf(value) !== undefined && declarationOf(value) === undefined) {
    found.push({ exportName: 'default', manifest: deriveManifest(fileName, declared) })
  } else if (declared !== undefined) {
    throw invalidManifest(
      'exports a manifest, but no undecorated default export that it could belong to',
    )
  }
  if (found.length === 0) {
    throw invalidManifest(`no function found: ${ACCEPTED_FORMS}. ${SERVES_BY_ITSELF}`)
  }
  refuseSameId(found)
  return found
}

/**
 * The manifest of a value that the embedding program registers: what its decorator declares, overlaid
 * with `declared`.
 *
 * @throws FezzError `INVALID_MANIFEST` when the value is no function, or what is declared is wrong
 */
export function manifestFor(value: unknown, declared: Partial<ManifestInput> = {}): Manifest {
  const subject = describe(value)
  if (conventionOf(value) === undefined) {
    throw invalidManifest(`${subject} is not a function: ${ACCEPTED_FORMS}`)
  }
  return checkManifest({ ...declarationOf(value), ...withoutAbsent(declared) }, subject)
}

function decoratedIn(moduleExports: object): FoundFunction[] {
  const classes = new Map<unknown, string>()
  const exported = Object.entries(moduleExports)
  if (typeof moduleExports === 'function') exported.push(['default', moduleExports])
  for (const [exportName, value] of exported) {
    const decorated = typeof value === 'function' && declarationOf(value) !== undefined
    if (decorated && !classes.has(value)) classes.set(value, exportName)
  }
  return Array.from(classes, ([value, exportName]) => ({
    exportName,
    manifest: checkManifest(declarationOf(value), describe(value)),
  }))
}

function refuseSameId(found: readonly FoundFunction[]): void {
  const names = new Map<string, string>()
  for (const { exportName, manifest } of found) {
    const other = names.get(manifest.id)
    if (other !== undefined) {
      throw invalidManifest(
        `has two functions with the id "${manifest.id}": the exports ${other} and ${exportName}; rename one`,
      )
    }
    names.set(manifest.id, exportName)
  }
}
