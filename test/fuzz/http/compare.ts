import { type EngineReading, readWithEngine } from './engine.ts'
import type { Message, Reading } from './reading.ts'
import { ruleOf } from './rules.ts'

/** What comes of comparing two readings of the same bytes. */
export type Verdict =
  /** Both say the same. */
  | { readonly kind: 'same' }
  /** The engine refuses or leaves out what node reads, and a rule says why. */
  | { readonly kind: 'stricter'; readonly rule: string }
  /** A mistake of one of them, or a rule is missing. */
  | { readonly kind: 'failure'; readonly why: string }

const SAME: Verdict = { kind: 'same' }

/** Compares what the engine and node make of `bytes`. */
export function compare(bytes: Buffer, engine: EngineReading, node: Reading): Verdict {
  const count = Math.max(engine.messages.length, node.messages.length)
  for (let index = 0; index < count; index++) {
    const ours = engine.messages[index]
    const theirs = node.messages[index]
    // Both listeners refuse it, and what follows is not HTTP.
    if (theirs?.method === 'CONNECT' && ours?.method !== 'CONNECT') return SAME
    if (ours === undefined) return onlyNode(bytes, engine, node, theirs)
    if (theirs === undefined) return onlyEngine(engine, index)
    const why = differenceOf(ours, theirs)
    if (why !== undefined) return failure(`request ${index}: ${why}`)
    if (!ours.isComplete && theirs.isComplete) return onlyNode(bytes, engine, node, theirs)
    if (ours.isComplete && !theirs.isComplete) return onlyEngine(engine, index)
    // node forgets what came behind the request in one part with it.
    if (isUpgrade(theirs)) return SAME
  }
  return compareEnds(bytes, engine, node)
}

/** Both have the same messages: does one refuse what comes now? */
function compareEnds(bytes: Buffer, engine: EngineReading, node: Reading): Verdict {
  const count = engine.messages.length
  if (engine.isClosed) return SAME
  if (node.error?.code === 'HPE_CLOSED_CONNECTION' && !isRefused(engine, count)) {
    return failure('only the engine goes on')
  }
  if (engine.error !== undefined) return onlyNode(bytes, engine, node)
  if (node.error === undefined) {
    const isSame = lastLength(engine) === lastLength(node)
    return isSame ? SAME : failure('one has more of the last body')
  }
  if (isRefused(engine, count)) return SAME
  const closer = CLOSERS.find(closer => isAccepted(bytes, closer, engine))
  if (closer === undefined) return SAME
  return failure(`node says ${node.error.code}, the engine waits for ${JSON.stringify(closer)}`)
}

/** Ends of a request that is cut short: with one of them, the engine has to decide. */
const CLOSERS = [
  '\n',
  '\r\n',
  '\r\n\r\n',
  '\n\r\n',
  ': a\r\n\r\n',
  'P/1.1\r\n\r\n',
  '.1\r\n\r\n',
  '1\r\n\r\n',
  ' HTTP/1.1\r\n\r\n',
  'HTTP/1.1\r\n\r\n',
  ' / HTTP/1.1\r\n\r\n',
  '/ HTTP/1.1\r\n\r\n',
  '\n0\r\n\r\n',
  '\r\n0\r\n\r\n',
  '0\r\n\r\n',
  '"\r\n0\r\n\r\n',
  'a\r\n0\r\n\r\n',
]

/** Whether the engine takes the message that it waits for, when it goes on like this. */
function isAccepted(bytes: Buffer, closer: string, { messages }: EngineReading): boolean {
  const reading = readWithEngine([bytes, Buffer.from(closer, 'latin1')])
  const isMidBody = messages.at(-1)?.isComplete === false
  const message = reading.messages[isMidBody ? messages.length - 1 : messages.length]
  if (message === undefined || isRefused(reading, messages.length)) return false
  return !isMidBody || message.isComplete
}

function onlyNode(bytes: Buffer, engine: EngineReading, node: Reading, theirs?: Message): Verdict {
  const isWhole = theirs?.isComplete === true
  if (engine.error !== undefined && node.error !== undefined && !isWhole) return SAME
  const rule = ruleOf(engine, bytes.toString('latin1', engine.end))
  if (rule !== undefined) return { kind: 'stricter', rule }
  const { error } = engine
  return failure(
    error === undefined ? 'only node goes on' : `only node accepts: ${error.code} ${error.message}`,
  )
}

function onlyEngine(engine: EngineReading, index: number): Verdict {
  return isRefused(engine, index) ? SAME : failure(`only the engine accepts request ${index}`)
}

/** Whether the connection has refused one of the requests up to this one: it reads no further. */
function isRefused({ messages }: EngineReading, index: number): boolean {
  return messages.some((message, at) => at <= index && message.refusal !== undefined)
}

function differenceOf(ours: Message, theirs: Message): string | undefined {
  if (ours.method !== theirs.method) return `method ${theirs.method}`
  if (ours.target !== theirs.target) return `target ${theirs.target}`
  if (ours.version !== theirs.version) return `version ${theirs.version}`
  if (!areEqual(ours.rawHeaders, theirs.rawHeaders)) {
    return `headers ${JSON.stringify(theirs.rawHeaders)}`
  }
  if (!areEqualSoFar(ours, theirs)) return `body ${JSON.stringify(theirs.body.toString('latin1'))}`
  return undefined
}

/** Whether the bodies may be the same: one may have come to an end before the other. */
function areEqualSoFar(ours: Message, theirs: Message): boolean {
  const [short, long] = ours.body.length < theirs.body.length ? [ours, theirs] : [theirs, ours]
  if (short.isComplete && short.body.length < long.body.length) return false
  return long.body.subarray(0, short.body.length).equals(short.body)
}

function lastLength({ messages }: Reading): number | undefined {
  return messages.at(-1)?.body.length
}

function areEqual(ours: readonly string[], theirs: readonly string[]): boolean {
  return ours.length === theirs.length && ours.every((text, at) => text === theirs[at])
}

function isUpgrade({ rawHeaders }: Message): boolean {
  return rawHeaders.some((name, at) => at % 2 === 0 && name.toLowerCase() === 'upgrade')
}

function failure(why: string): Verdict {
  return { kind: 'failure', why }
}
