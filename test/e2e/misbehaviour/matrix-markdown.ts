import { MATRIX, MISBEHAVIOURS, type Misbehaviour, PLACES, type Place } from './matrix.ts'

const HEADS: Readonly<Record<Place, string>> = {
  'in-process': 'in-process',
  thread: 'thread',
  process: 'process',
  sandbox: "process, `sandbox: 'namespaces'`",
  container: 'container',
}

/** The matrix as docs/executors.md shows it: a table of verdicts, and below it the reasons. */
export function matrixMarkdown(): string {
  const misbehaviours = Object.keys(MISBEHAVIOURS) as Misbehaviour[]
  const rows = misbehaviours.map(misbehaviour =>
    line([
      MISBEHAVIOURS[misbehaviour],
      ...PLACES.map(place =>
        MATRIX[misbehaviour][place].verdict === 'contained' ? 'contained' : '**no**',
      ),
    ]),
  )
  return [
    line(['', ...PLACES.map(place => HEADS[place])]),
    line(['---', ...PLACES.map(() => '---')]),
    ...rows,
    '',
    ...misbehaviours.map(reasonsOf),
  ].join('\n')
}

/** Places with the same reason together. */
function reasonsOf(misbehaviour: Misbehaviour): string {
  const row = MATRIX[misbehaviour]
  const reasons = Map.groupBy(PLACES, place => row[place].reason)
  const texts = Array.from(reasons, ([reason, places]) =>
    places.length === PLACES.length ? reason : `${places.join(', ')}: ${reason}`,
  )
  return `- *${MISBEHAVIOURS[misbehaviour]}*: ${texts.join('. ')}.`
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}
