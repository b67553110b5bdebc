/** Names beyond that are made up. */
const MAX_NAMES = 128
/** Longer values are not kept. */
const MAX_VALUE_LENGTH = 256

/** The last value of a name, and its line once it has come twice. */
interface Known {
  value: string
  line: string | undefined
}

// Functions answer with the same few fields over and over.
const knownLines = new Map<string, Known>()

/** A field as it is sent. Of one that was the same the last time the line is there already. */
export function fieldLine(name: string, value: string): string {
  const known = knownLines.get(name)
  if (known === undefined) {
    if (knownLines.size < MAX_NAMES) knownLines.set(name, { value, line: undefined })
  } else if (known.value !== value) {
    known.value = value.length <= MAX_VALUE_LENGTH ? value : ''
    known.line = undefined
  } else {
    known.line ??= `${name}: ${value}\r\n`
    return known.line
  }
  return `${name}: ${value}\r\n`
}
