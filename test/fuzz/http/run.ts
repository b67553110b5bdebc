import { compare, type Verdict } from './compare.ts'
import { type EngineReading, readWithEngine } from './engine.ts'
import { generateStream } from './generate.ts'
import { Llhttp } from './llhttp.ts'
import { Random } from './random.ts'
import type { Reading } from './reading.ts'
import { byteByByte, randomSplit } from './split.ts'

/** Connections that are read in one turn. */
const BATCH = 256
/** One connection in so many is also read whole and byte by byte. */
const SAMPLE = 8
const MOST_SAMPLED = 8_192

interface Failure {
  readonly stream: number
  readonly why: string
  /** The bytes of the connection, one character each. */
  readonly text: string
}

/** What a run has found. */
export interface Report {
  /** Requests that at least one parser has begun to read. */
  requests: number
  /** Requests that both have read to their end, and agree on. */
  accepted: number
  connections: number
  /** Connections on which both say the same to the end. */
  same: number
  /** Connections on which the engine refuses more, by the rule that says why. */
  readonly stricter: Map<string, number>
  readonly failures: Failure[]
}

/** Compares the two on made-up connections, until they have had `requests` requests. */
export async function run(requests: number, seed: number, first = 0): Promise<Report> {
  const node = new Llhttp()
  const report: Report = {
    requests: 0,
    accepted: 0,
    connections: 0,
    same: 0,
    stricter: new Map(),
    failures: [],
  }
  for (let stream = first; report.requests < requests; stream += BATCH) {
    const cases = Array.from({ length: BATCH }, (_, at) => makeCase(seed, stream + at))
    const readings = await node.read(cases.map(({ parts }) => parts))
    for (const [at, each] of cases.entries()) judge(report, stream + at, each, readings[at]!)
  }
  return report
}

interface Case {
  readonly bytes: Buffer
  readonly parts: readonly Buffer[]
}

/** The connection of this number: the same for the same seed. */
function makeCase(seed: number, stream: number): Case {
  const random = new Random(seed, stream)
  const bytes = generateStream(random)
  return { bytes, parts: randomSplit(random, bytes) }
}

function judge(report: Report, stream: number, { bytes, parts }: Case, node: Reading): void {
  const engine = readWithEngine(parts)
  const fail = (why: string) =>
    void report.failures.push({ stream, why, text: bytes.toString('latin1') })
  report.connections++
  report.requests += Math.max(begun(engine), begun(node))
  const verdict = compare(bytes, engine, node)
  if (verdict.kind === 'failure') fail(verdict.why)
  else count(report, verdict, engine, node)
  if (stream % SAMPLE !== 0 || bytes.length > MOST_SAMPLED) return
  const told = show(engine)
  if (show(readWithEngine([bytes])) !== told) fail('whole, the engine reads it otherwise')
  if (show(readWithEngine(byteByByte(bytes))) !== told) {
    fail('byte by byte, the engine reads it otherwise')
  }
}

function count(report: Report, verdict: Verdict, engine: Reading, node: Reading): void {
  report.accepted += engine.messages.filter(
    ({ isComplete }, at) => isComplete && node.messages[at]?.isComplete === true,
  ).length
  if (verdict.kind === 'same') report.same++
  if (verdict.kind !== 'stricter') return
  report.stricter.set(verdict.rule, (report.stricter.get(verdict.rule) ?? 0) + 1)
}

function begun({ messages, error }: Reading): number {
  const isInBody = messages.at(-1)?.isComplete === false
  return messages.length + (error !== undefined && !isInBody ? 1 : 0)
}

function show({ messages, error, end, isClosed }: EngineReading): string {
  const told = messages.map(({ method, target, version, rawHeaders, body, isComplete }) => [
    method,
    target,
    version,
    rawHeaders,
    body.toString('latin1'),
    isComplete,
  ])
  return JSON.stringify([told, error?.code, error?.message, end, isClosed])
}
