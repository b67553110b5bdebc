import { once } from 'node:events'
import { type Agent, type IncomingMessage, request } from 'node:http'
import type { Sent } from './cases/case.ts'

/** All of a response that a module decides on. */
export interface Answer {
  readonly status: number
  readonly statusText: string
  /** Lines as received, sorted by name; those of the host and of the connection are left out. */
  readonly headers: readonly string[]
  /** One character per byte. */
  readonly body: string
}

/** Parts of an {@link Answer} in which two differ: the one of workerd, then the one of Fezz. */
export type Differences = {
  readonly [Part in keyof Answer]?: readonly [Answer[Part], Answer[Part]]
}

/** Names that the client uses for whichever host it talks to, so that both see the same URL. */
const HOST = 'conformance.test'
const LEFT_OUT = new Set([
  'connection',
  'date',
  'keep-alive',
  'server',
  'transfer-encoding',
  'x-request-id',
])

/** Sends a case to the host on `port`. */
export async function ask(port: number, agent: Agent, name: string, sent: Sent): Promise<Answer> {
  const { method = 'GET', rest = '', headers = {}, body } = sent
  const path = `/case/${encodeURIComponent(name)}${rest}`
  const outgoing = request({
    agent,
    host: '127.0.0.1',
    port,
    method,
    path,
    headers: {
      host: HOST,
      // Of some methods node sends a body without any framing.
      ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
      ...(headers as Record<string, string | string[]>),
    },
  })
  outgoing.end(body)
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  return {
    status: incoming.statusCode as number,
    statusText: incoming.statusMessage as string,
    headers: comparable(incoming.rawHeaders),
    body: Buffer.concat(chunks).toString('latin1'),
  }
}

function comparable(rawHeaders: readonly string[]): string[] {
  const lines: [name: string, line: string][] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!.toLowerCase()
    if (!LEFT_OUT.has(name)) lines.push([name, `${name}: ${rawHeaders[at + 1]}`])
  }
  // Stable: several of one name keep their order.
  lines.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0))
  return lines.map(([, line]) => line)
}

/** Where `fezz` differs from `workerd`; of an error of the host only the status counts. */
export function compare(workerd: Answer, fezz: Answer): Differences {
  if (workerd.body !== fezz.body) return compareParts(withoutLength(workerd), withoutLength(fezz))
  return compareParts(workerd, fezz)
}

/** That two different bodies have different lengths says nothing more. */
function withoutLength(answer: Answer): Answer {
  const headers = answer.headers.filter(line => !line.startsWith('content-length:'))
  return { ...answer, headers }
}

function compareParts(workerd: Answer, fezz: Answer): Differences {
  const parts: readonly (keyof Answer)[] =
    workerd.status === 500 && fezz.status === 500 ? [] : ['status', 'statusText', 'headers', 'body']
  const differing = parts.filter(
    part => JSON.stringify(workerd[part]) !== JSON.stringify(fezz[part]),
  )
  return Object.fromEntries(differing.map(part => [part, [workerd[part], fezz[part]]]))
}
