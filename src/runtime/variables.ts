import { inspect } from 'node:util'

/** Environment of functions. Prints with every value redacted; its properties are the real ones. */
export type Variables = Readonly<Record<string, string>>

// A prototype, so that copies with `{...variables}` are plain and only names of variables are own
// properties. Itself without one, so that no name of a variable means anything special.
const REDACTING: object = Object.assign(Object.create(null), {
  toJSON: redacted,
  [inspect.custom]: redacted,
  toString: () => '[variables]',
})

/** Frozen variables from entries; of those of one name the last counts. None is called `toJSON`. */
export function variables(entries: Iterable<readonly [string, string]>): Variables {
  const all: Record<string, string> = Object.create(REDACTING)
  for (const [name, value] of entries) {
    // Not assignment: what is called toString must not be lost on the prototype's.
    Object.defineProperty(all, name, { value, enumerable: true, configurable: true })
  }
  return Object.freeze(all)
}

function redacted(this: Variables): Record<string, string> {
  return Object.fromEntries(Object.keys(this).map(name => [name, '[redacted]']))
}
