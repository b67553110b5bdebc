import * as z from 'zod/mini'
import { nearest } from './nearest.ts'
import { show } from './show.ts'

// By name, so that the bundle leaves out what nobody uses.
export {
  _default,
  array,
  boolean,
  exactOptional,
  int,
  minimum,
  minLength,
  object,
  optional,
  pipe,
  record,
  regex,
  string,
  transform,
} from 'zod/mini'

/** The part of zod's issues that messages are made of. */
interface Issue {
  readonly code?: string | undefined
  readonly input?: unknown
}

/** What a schema makes of its input. */
export type Output<S extends z.core.$ZodType> = z.output<S>

/** An error message: the bad value, and what to write instead. */
export const says =
  (advice: string) =>
  ({ input }: Issue): string =>
    input === undefined ? `is missing; ${advice}` : `${show(input)} is not valid; ${advice}`

/** The same without the bad value, where that could be a secret. */
export const hides =
  (advice: string) =>
  ({ input }: Issue): string => {
    const kind = input === null ? 'null' : Array.isArray(input) ? 'a list' : `a ${typeof input}`
    return input === undefined ? `is missing; ${advice}` : `is ${kind}; ${advice}`
  }

/** A schema that is one plain function; what it throws is the message. */
export function reads<T>(read: (input: never) => T) {
  return z.transform((input: unknown, context): T => {
    try {
      return read(input as never)
    } catch (error) {
      context.issues.push({ code: 'custom', message: (error as Error).message, input })
      return z.NEVER
    }
  })
}

/** Text of this form. */
export function text(pattern: RegExp, advice: string) {
  const error = says(advice)
  return z.string({ error }).check(z.regex(pattern, { error }))
}

/** One of these names. */
export function oneOf<T extends string>(names: readonly T[]) {
  return reads((input: T): T => {
    if (names.includes(input)) return input
    const advice = `write ${names.map(name => `"${name}"`).join(' or ')}`
    throw new RangeError(says(advice)({ input }))
  })
}

/** A whole number in this range, both ends included. */
export function whole(least: number, most: number) {
  const error = says(`write a whole number from ${least} to ${most}`)
  return z.int({ error }).check(z.minimum(least, { error }), z.maximum(most, { error }))
}

/**
 * An object with these fields and no others.
 *
 * @param tells of a value that is no object; default {@link says}
 */
export function strict<T extends Record<string, z.core.SomeType>>(
  fields: T,
  advice: string,
  tells = says,
) {
  const known = Object.keys(fields)
  return z.strictObject(fields, {
    error: issue => {
      if (issue.code !== 'unrecognized_keys') return tells(advice)(issue)
      const near = nearest(issue.keys[0]!, known)
      return near
        ? `is not a field; did you mean "${near}"?`
        : `is not a field; there are ${known.join(', ')}`
    },
  })
}

/**
 * What `schema` makes of `input`.
 *
 * @param refuse makes the error out of the first problem, such as `routes[0].path is missing; write…`
 */
export function check<S extends z.core.$ZodType>(
  schema: S,
  input: unknown,
  refuse: (problem: string) => Error,
): z.output<S> {
  const result = z.safeParse(schema, input)
  if (!result.success) throw refuse(messageOf(result.error.issues[0]!))
  return result.data
}

function messageOf(issue: z.core.$ZodIssue): string {
  const keys = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : []
  const field = [...issue.path, ...keys]
    .map(key => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .slice(1)
  return field === '' ? issue.message : `${field} ${issue.message}`
}
