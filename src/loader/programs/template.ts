import { FezzError } from '../../errors.ts'

/** What `${name}` in a runtime.json stands for, by name. */
export type Variables = Readonly<Record<string, string>>

/** @throws FezzError `INVALID_CONFIG` for a name that stands for nothing */
export function fill(text: string, variables: Variables): string {
  return text.replace(/\$\{(\w+)\}/g, (_, name: string) => {
    const value = variables[name]
    if (value !== undefined) return value
    const known = Object.keys(variables).join(', ')
    throw new FezzError('INVALID_CONFIG', `\${${name}} of a runtime.json is not known: ${known}`)
  })
}

/** The same for each of a list. */
export function fillAll(words: readonly string[], variables: Variables): string[] {
  return words.map(word => fill(word, variables))
}

/** The same for each value. */
export function fillValues(
  record: Readonly<Record<string, string>>,
  variables: Variables,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(record).map(([name, text]) => [name, fill(text, variables)]),
  )
}
