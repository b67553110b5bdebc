import { parse } from 'node:path'
import { parseHost } from '../routing/host-pattern.ts'
import { parsePath } from '../routing/path-pattern.ts'
import * as z from '../schema.ts'
import { check, reads, says, strict, text } from '../schema.ts'
import { show } from '../show.ts'
import { checkExecution, duration, executionFields } from './execution-schema.ts'
import {
  invalidManifest,
  type Manifest,
  type ManifestInput,
  type ManifestRoute,
  METHODS,
  type Method,
  methodsOverlap,
} from './manifest.ts'

/**
 * Checks a declaration and fills in every default.
 *
 * @param input a {@link ManifestInput} of unknown origin; members that are `undefined` count as absent
 * @param subject what declares it, for messages: `class Hello`, `hello.ts`
 * @returns frozen, routes included
 * @throws FezzError `INVALID_MANIFEST`, naming the function, the field and the value
 */
export function checkManifest(input: unknown, subject: string): Manifest {
  return checkManifestAt(input, nameOf(input, subject))
}

/** The same, where messages begin with `where` as it stands. */
export function checkManifestAt(input: unknown, where: string): Manifest {
  const declaration = check(manifestSchema, input, problem =>
    invalidManifest(`${where}: ${problem}`),
  )
  const { id, version, description, preload, env, ...others } = declaration
  const { method, path, host, priority, routes, timeout, idleTtl, maxConcurrency, ...how } = others
  const declared = (routes ?? []).map((own, index) => ({ ...own, at: `, routes[${index}]` }))
  if (path !== undefined || routes === undefined) declared.unshift({ path: path ?? '/', at: '' })
  if (declared.length === 0) {
    throw invalidManifest(`${where}: routes is empty and there is no path; write path: '/hello'`)
  }
  const places = new Map<string, ManifestRoute[]>()
  const checked = declared.map(({ at, ...own }) => {
    const fields = {
      path: own.path,
      method: own.method ?? method,
      host: own.host ?? host,
      priority: own.priority ?? priority,
    }
    return checkRoute(fields, places, where, at)
  })
  return Object.freeze({
    id,
    version,
    description,
    preload,
    routes: Object.freeze(checked),
    ...(timeout !== undefined && { timeoutMs: timeout }),
    ...(idleTtl !== undefined && { idleTtlMs: idleTtl }),
    ...(maxConcurrency !== undefined && { maxConcurrency }),
    env: Object.freeze(env),
    execution: checkExecution(how, problem => invalidManifest(`${where}: ${problem}`)),
  })
}

/**
 * The manifest of an undecorated function: the id is the file's name without its extension, and the
 * routes are `/<id>` and `/<id>/*` for any method, as far as `declared` does not say otherwise.
 *
 * @param fileName a name or a path
 * @throws FezzError `INVALID_MANIFEST`, also when the file's name makes no id
 */
export function deriveManifest(fileName: string, declared: Partial<ManifestInput> = {}): Manifest {
  const { base, name } = parse(fileName)
  if (typeof declared !== 'object' || declared === null) return checkManifest(declared, base)
  if (declared.id === undefined && !ID_PATTERN.test(name)) {
    throw invalidManifest(
      `Function of ${base}: its name makes no id (${ID_RULE}); rename the file, or export const manifest = { id: 'hello' }`,
    )
  }
  const id = declared.id ?? name
  const isRouted = declared.path !== undefined || declared.routes !== undefined
  const derived = isRouted ? {} : { method: 'ANY', routes: [`/${id}`, `/${id}/*`] }
  return checkManifest({ ...derived, ...withoutAbsent(declared), id }, base)
}

/** A copy without the members that are `undefined`: they must not hide a default when spread. */
export function withoutAbsent<T extends object>(record: T): T {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as T
}

/** What ids of functions look like. */
export const ID_PATTERN = /^[a-z\d][\w.-]{0,127}$/i
/** The same in words. */
export const ID_RULE = 'at most 128 letters, digits, ".", "_" and "-", the first a letter or digit'

const methods = reads((input: string | readonly string[]): readonly Method[] | 'ANY' => {
  const names: readonly unknown[] = Array.isArray(input) ? input : [input]
  if (names.length === 0) throw new RangeError(`is empty; name a method, or write 'ANY'`)
  const found = names.map(name => {
    const upper = typeof name === 'string' ? name.toUpperCase() : name
    if (upper === 'ANY' || METHODS.includes(upper as Method)) return upper
    throw new RangeError(
      `${show(name)} is not known; write 'ANY', or some of ${METHODS.join(', ')}`,
    )
  })
  return found.includes('ANY') ? 'ANY' : Object.freeze([...new Set(found as Method[])])
})

/** Values are never shown: they may be secrets. */
const env = z.record(
  z.string().check(z.regex(/^[a-z_]\w*$/i)),
  z
    .string({ error: ({ input }) => `is of type ${typeof input}, not text; write it in quotes` })
    .check(z.regex(/^[^\0]*$/, { error: 'contains a NUL; remove it' })),
  {
    error: ({ code }) =>
      code === 'invalid_key'
        ? 'is not a name for a variable; write letters, digits and "_", the first not a digit'
        : "is not an object; write variables by name, such as { GREETING: 'hi' }",
  },
)

const path = z.string({ error: says("write one such as '/hello'") })
const host = z.string({ error: says("write one such as 'api.example.com'") })
const priority = z.int({ error: says('write a whole number; a higher one is tried first') })

const route = z.pipe(
  z.transform((input: unknown) => (typeof input === 'string' ? { path: input } : input)),
  strict(
    {
      path,
      method: z.optional(methods),
      host: z.optional(host),
      priority: z.optional(priority),
    },
    "write '/hello' or { path: '/hello' }",
  ),
)

const manifestSchema = strict(
  {
    id: text(ID_PATTERN, `write ${ID_RULE}`),
    version: z._default(
      text(/^[\w.+-]{1,128}$/, 'write at most 128 letters, digits, ".", "_", "+" and "-"'),
      'v1',
    ),
    description: z._default(z.string({ error: says('write text') }), ''),
    method: z._default(methods, ['GET']),
    path: z.optional(path),
    host: z.optional(host),
    priority: z._default(priority, 0),
    routes: z.optional(z.array(route, { error: says("write a list, such as ['/a', '/b/*']") })),
    timeout: z.optional(duration('1ms')),
    idleTtl: z.optional(duration('1ms')),
    preload: z._default(z.boolean({ error: says('write true or false') }), false),
    maxConcurrency: z.optional(
      z
        .int({ error: says('write a whole number') })
        .check(z.minimum(1, { error: says('write 1 or more, or leave it out for no bound') })),
    ),
    env: z._default(env, {}),
    ...executionFields,
  },
  "write an object, such as { id: 'hello', path: '/hello' }",
)

interface RouteFields {
  readonly method: ManifestRoute['methods']
  readonly path: string
  readonly host: string | undefined
  readonly priority: number
}

/** @param places the routes so far, by host and shape of the path; this one is added */
function checkRoute(
  { method, path, host, priority }: RouteFields,
  places: Map<string, ManifestRoute[]>,
  where: string,
  at: string,
): ManifestRoute {
  const { segments } = parsePath(path, where + at)
  const checkedHost = host === undefined ? undefined : parseHost(host, where + at)
  const route = Object.freeze({
    methods: method,
    path,
    ...(checkedHost !== undefined && { host: checkedHost }),
    priority,
  })
  const shape = segments.map(({ kind, text }) => (kind === 'literal' ? `=${text}` : kind))
  const place = [checkedHost, ...shape].join('/')
  const neighbours = places.get(place) ?? []
  // Whatever their priorities: the lower one of two such routes would never be reached.
  const twin = neighbours.find(neighbour => methodsOverlap(neighbour.methods, method))
  if (twin !== undefined) {
    throw invalidManifest(
      `${where}: routes ${showRoute(twin)} and ${showRoute(route)} match the same requests; remove one`,
    )
  }
  places.set(place, [...neighbours, route])
  return route
}

function showRoute({ methods, host = '', path }: ManifestRoute): string {
  return `"${methods === 'ANY' ? methods : methods.join(',')} ${host}${path}"`
}

function nameOf(input: unknown, subject: string): string {
  const id = (input as { readonly id?: unknown } | null | undefined)?.id
  return typeof id === 'string' && ID_PATTERN.test(id)
    ? `Function "${id}" (${subject})`
    : `Function of ${subject}`
}
