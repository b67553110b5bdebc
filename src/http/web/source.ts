/**
 * What a listener knows of one request, in the cheapest form it has. The web types are built on
 * this and on nothing else, so that a listener needs no IncomingMessage and the host no socket.
 */
export interface RequestSource {
  /** Upper case as received. */
  readonly method: string
  readonly scheme: 'http' | 'https'
  /** Authority, lower case, without userinfo and without the scheme's default port. */
  readonly authority: string
  /** Normalised path and query: what is routed is what the function sees. Starts with `/`. */
  readonly target: string
  /** Name, value, name, value, ... as received. */
  readonly rawHeaders: readonly string[]
  /** Value of `X-Request-Id` as received: every request is asked for it. */
  readonly requestId: string | undefined
  /** Address of the client, after trusted proxies were looked through. */
  readonly clientAddress: string
  /** `null` when the request has no body. */
  readonly body: BodySource | null
  /** Calls `listener` once if the client leaves before the response is complete; at once if it has left. */
  onAbort(listener: () => void): void
}

/** A request body that was not read yet. Exactly one of the two is called, once. */
export interface BodySource {
  /**
   * The whole body; perhaps a view of a larger buffer, so it must be copied before it, or its `buffer`,
   * is given away.
   *
   * @throws FezzError `PAYLOAD_TOO_LARGE` past the limit, `CLIENT_CLOSED` when the client leaves.
   */
  bytes(): Promise<Uint8Array<ArrayBuffer>>
  /** The body as a byte stream with backpressure; errors as {@link bytes} does. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>>
}
