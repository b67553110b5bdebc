/** Where a function runs, under the names of the documentation. */
export const PLACES = ['in-process', 'thread', 'process', 'sandbox', 'container'] as const
export type Place = (typeof PLACES)[number]

/** What a function does, by the name that it is served under, and in words. */
export const MISBEHAVIOURS = {
  'endless-loop': 'endless loop',
  'promise-chain': 'endless promise chain',
  buffers: '10 GB of Buffers',
  'fork-bomb': 'fork bomb',
  'open-files': 'file-descriptor leak',
  'log-lines': 'a million log lines',
  exit: '`process.exit()`',
  abort: '`process.abort()`',
  segfault: 'segmentation fault',
  rejection: 'unhandled rejection',
  'endless-response': 'a response that never ends',
  'slow-reader': 'a client that reads slowly',
  reading: "reading `/proc` and the host's environment",
  writing: 'writing outside of its folder',
} as const
export type Misbehaviour = keyof typeof MISBEHAVIOURS

export type Verdict = 'contained' | 'not contained'

/** Whether the host and its other functions are kept from it, and why. */
interface Cell {
  readonly verdict: Verdict
  readonly reason: string
}

type Row = Readonly<Record<Place, Cell>>

const LINES = '100 printed lines a second pass, and 1,000 of `log`; the rest is counted'
const LOOP = held('at `timeout` 504, after `killGrace` the instance is ended')
const STALL = free('the host serves nobody any more; with `workers`, it is replaced')
const MEMORY = held('ended when all of its processes together use more than `memory`')
const BOMB = free('its children are unbounded, and outlive the host')
const PIDS = held('`pids` bounds it, and all of it ends with the instance')
const OWN_FILES = held('`openFiles` bounds it, and only its own are used up')
const DEATH = held('only the instance ends: 502, the next request loads anew')
const WHOLE_HOST = free('the host ends with it; with `workers`, it is replaced')
const LOGGED = held('logged with its id; nothing ends')
const CANCELLED = held('cancelled when the client leaves, and at shutdown after `drainTimeout`')
const BACKPRESSURE = held('the body is asked for as fast as the client reads it')
const OWN_PROCESSES = held('it sees no process but its own')
const ALL_FILES = free("it is the host's user, with all of its files")

/**
 * The truth about every executor: the tests beside it are made of this table, and docs/executors.md
 * shows it.
 */
export const MATRIX: Readonly<Record<Misbehaviour, Row>> = {
  'endless-loop': row(STALL, LOOP, LOOP, LOOP, LOOP),
  'promise-chain': row(STALL, LOOP, LOOP, LOOP, LOOP),
  buffers: row(
    free('the host grows until the system ends it'),
    free("`memory` bounds the JavaScript heap alone; Buffers are the host's memory"),
    MEMORY,
    MEMORY,
    MEMORY,
  ),
  'fork-bomb': row(BOMB, BOMB, PIDS, PIDS, PIDS),
  'open-files': row(
    free('the host can take no more connections'),
    free('the host can take no more connections until the thread ends'),
    OWN_FILES,
    OWN_FILES,
    OWN_FILES,
  ),
  'log-lines': row(
    free('each is written, and the host serves nobody meanwhile'),
    held(`${LINES}; what it writes to a descriptor is the host's`),
    held(LINES),
    held(LINES),
    held(LINES),
  ),
  exit: row(WHOLE_HOST, DEATH, DEATH, DEATH, DEATH),
  abort: row(
    WHOLE_HOST,
    held('Node refuses it to threads: 500; a signal to the process does end the host'),
    DEATH,
    DEATH,
    DEATH,
  ),
  segfault: row(WHOLE_HOST, WHOLE_HOST, DEATH, DEATH, DEATH),
  rejection: row(LOGGED, LOGGED, LOGGED, LOGGED, LOGGED),
  'endless-response': row(CANCELLED, CANCELLED, CANCELLED, CANCELLED, CANCELLED),
  'slow-reader': row(BACKPRESSURE, BACKPRESSURE, BACKPRESSURE, BACKPRESSURE, BACKPRESSURE),
  reading: row(
    free("`process.env` is the host's own"),
    free("`process.env` is its own, but `/proc/self/environ` is the host's"),
    free(
      "its environment is its own, but a process of the same user may read the host's in `/proc`",
    ),
    OWN_PROCESSES,
    OWN_PROCESSES,
  ),
  writing: row(
    ALL_FILES,
    ALL_FILES,
    ALL_FILES,
    held('it has no files but its own and, to read, those of the system'),
    held('it has no files but its own and those of its image'),
  ),
}

/** The cells of one place, in the order of the table. */
export function cellsOf(place: Place, verdict: Verdict): readonly Misbehaviour[] {
  const all = Object.keys(MATRIX) as Misbehaviour[]
  return all.filter(misbehaviour => MATRIX[misbehaviour][place].verdict === verdict)
}

function row(inProcess: Cell, thread: Cell, process: Cell, sandbox: Cell, container: Cell): Row {
  return { 'in-process': inProcess, thread, process, sandbox, container }
}

function held(reason: string): Cell {
  return { verdict: 'contained', reason }
}

function free(reason: string): Cell {
  return { verdict: 'not contained', reason }
}
