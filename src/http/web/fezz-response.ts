import { STATUS_CODES } from 'node:http'
import { FastResponse } from './response.ts'
import type { BodyInit } from './response-state.ts'

/**
 * Short ways to a Response.
 *
 * @example
 * ```ts
 * FezzResponse.text('Hello')
 * FezzResponse.json({ name: 'Alice' }, { status: 201 })
 * FezzResponse.error(404, 'no such user')
 * new FezzResponse(200).header('x-custom', 'value').body('content')
 * ```
 */
export class FezzResponse {
  readonly #status: number
  readonly #headers: [string, string][] = []

  /** @param status 200 to 599, default 200; checked by {@link body} and {@link build} */
  constructor(status = 200) {
    this.#status = status
  }

  /** Plain text in UTF-8. */
  static text(text: string, init?: ResponseInit): Response {
    return new FastResponse(text, init)
  }

  /** @throws TypeError for a value that JSON has no form for, such as undefined */
  static json(value: unknown, init?: ResponseInit): Response {
    return FastResponse.json(value, init)
  }

  /**
   * An error as `application/problem+json` (RFC 9457), the form of the host's own errors:
   * `{ title, status, detail }` with the status's phrase as title and `message` as detail.
   */
  static error(status: number, message: string): Response {
    const problem = { title: STATUS_CODES[status] ?? 'Error', status, detail: message }
    const headers = { 'content-type': 'application/problem+json' }
    return FastResponse.json(problem, { status, headers })
  }

  /** Adds a header; the same name again adds a second value. Returns the builder. */
  header(name: string, value: string): this {
    this.#headers.push([name, value])
    return this
  }

  /**
   * The response with `content`.
   *
   * @throws RangeError | TypeError as `new Response` does, for the status and the headers too
   */
  body(content: BodyInit): Response {
    return new FastResponse(content, { status: this.#status, headers: this.#headers })
  }

  /** The response without a body. */
  build(): Response {
    return this.body(null)
  }
}
