/** A message at a glance, with no check of anything. */
export interface Look {
  /** All that is behind its first byte, other messages included. */
  readonly text: string
  /** Its first line, behind an empty one. */
  readonly line: string
  /** The lines behind it, to the first empty one. */
  readonly fields: readonly string[]
  /** What is behind the empty line. */
  readonly tail: string
  /** Values of the field `name`, in lower case. */
  values(name: string): readonly string[]
}

/** What `text` seems to be. */
export function looksLike(text: string): Look {
  const request = text.startsWith('\r\n') ? text.slice(2) : text
  const end = request.indexOf('\r\n\r\n')
  const head = end === -1 ? request : request.slice(0, end)
  // What is cut short may end inside a line's end.
  const [line = '', ...fields] = head.replace(/\r$/, '').split('\r\n')
  return {
    text,
    line,
    fields,
    tail: end === -1 ? '' : request.slice(end + 4),
    values: name =>
      fields
        .filter(field => field.toLowerCase().startsWith(`${name}:`))
        .map(field => field.slice(name.length + 1).replace(/^[ \t]+|[ \t]+$/g, '')),
  }
}
