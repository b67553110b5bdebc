import { type IncomingMessage, request } from 'node:http'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'

/** An answer of the Docker API, read whole. */
export interface DockerAnswer {
  readonly status: number
  readonly text: string
  /** The text as JSON, of the shape that the caller knows it to have. @throws when it is none */
  json<T>(): T
}

/** What the tests say to the Docker API: a call is one HTTP request on its unix socket. */
export class DockerApi {
  readonly #socketPath: string

  constructor(socketPath: string) {
    this.#socketPath = socketPath
  }

  /** One call, whatever its status. @param body an object is sent as JSON, a stream as a tar */
  async call(
    method: string,
    path: string,
    body?: object | Readable,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<DockerAnswer> {
    const answer = await this.open(method, path, body, headers)
    const text = (await buffer(answer)).toString()
    return { status: answer.statusCode ?? 0, text, json: () => JSON.parse(text) }
  }

  /** One call that must succeed; its answer as JSON, `undefined` when it is none. */
  async do<T = unknown>(
    method: string,
    path: string,
    body?: object | Readable,
    headers?: Readonly<Record<string, string>>,
  ): Promise<T> {
    const { status, text } = await this.call(method, path, body, headers)
    if (status >= 400) throw new Error(`${method} ${path} answers ${status}: ${text}`)
    return parsed(text) as T
  }

  /** One call whose answer is read as it comes: logs, events. */
  open(
    method: string,
    path: string,
    body?: object | Readable,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const kind = body instanceof Readable ? 'application/x-tar' : 'application/json'
      const call = request({
        socketPath: this.#socketPath,
        path: path === '/_ping' ? path : `/v1.41${path}`,
        method,
        agent: false,
        headers: { ...(body !== undefined && { 'content-type': kind }), ...headers },
      })
      call.on('response', resolve).on('error', reject)
      if (body instanceof Readable) pipeline(body, call).catch(reject)
      else call.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }
}

/** Some answers are empty, and some are lines of JSON, each a step of a long work. */
function parsed(text: string): unknown {
  const lines = text.trim().split('\n')
  if (lines.length > 1 || lines[0] === '') return undefined
  return JSON.parse(lines[0] as string)
}
