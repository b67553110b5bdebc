import { createServer, type IncomingMessage, type Server } from 'node:http'
import { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { LIMITS } from './limits.ts'
import type { Message, Reading, ReadingError } from './reading.ts'

const NO_BODY = Buffer.alloc(0)
/** For a body of which node takes a part at a time. */
const MOST_TURNS = 100

/**
 * node:http's parser, through a server that gets connections without a socket. Nothing is answered:
 * it reads on all the same.
 */
export class Llhttp {
  readonly #server: Server

  constructor() {
    this.#server = createServer({
      maxHeaderSize: LIMITS.maxHeaderBytes,
      insecureHTTPParser: false,
      requireHostHeader: false,
      headersTimeout: 0,
      requestTimeout: 0,
      keepAliveTimeout: 0,
      shouldUpgradeCallback: () => false,
    })
    this.#server.timeout = 0
    this.#server.maxHeadersCount = 0
    const take = (req: IncomingMessage) => feedOf(req.socket).add(req)
    this.#server
      .on('request', take)
      .on('checkContinue', take)
      .on('checkExpectation', take)
      .on('connect', take)
      .on('clientError', (error: NodeJS.ErrnoException & { reason?: string }, socket) => {
        const { code = '', reason = error.message } = error
        feedOf(socket).error ??= { code, message: reason }
      })
  }

  /** Reads many connections at once, each given in parts. */
  async read(connections: readonly (readonly Buffer[])[]): Promise<Reading[]> {
    const feeds = connections.map(parts => {
      const feed = new Feed()
      this.#server.emit('connection', feed)
      for (const part of parts) feed.push(part)
      return feed
    })
    let unread = feeds
    for (let turn = 0; unread.length > 0; turn++) {
      if (turn === MOST_TURNS) throw new Error('node does not read on')
      await nextTurn()
      unread = unread.filter(feed => !feed.readBodies())
    }
    return feeds.map(feed => feed.finish())
  }
}

/** One connection. */
class Feed extends Duplex {
  readonly #requests: Received[] = []
  error: ReadingError | undefined

  override _read(): void {}

  override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
    done()
  }

  add(req: IncomingMessage): void {
    this.#requests.push({ req, parts: [] })
  }

  /** Takes what has come of the bodies. @returns whether node has read all that it will */
  readBodies(): boolean {
    // Not by the events of a body: what nobody has asked for is all there, in this very turn.
    for (const { req, parts } of this.#requests) {
      for (let part = req.read(); part !== null; part = req.read()) parts.push(part)
    }
    return this.readableLength === 0 || this.error !== undefined || this.#isHandedOver
  }

  finish(): Reading {
    const messages = this.#requests.map(messageOf)
    this.destroy()
    return { messages, error: this.error }
  }

  get #isHandedOver(): boolean {
    return this.#requests.at(-1)?.req.method === 'CONNECT'
  }
}

/** node was given it for a socket. */
function feedOf(socket: Duplex): Feed {
  return socket as Feed
}

interface Received {
  readonly req: IncomingMessage
  readonly parts: Buffer[]
}

function messageOf({ req, parts }: Received): Message {
  return {
    method: req.method!,
    target: req.url!,
    version: req.httpVersion,
    rawHeaders: req.rawHeaders,
    body: parts.length === 0 ? NO_BODY : Buffer.concat(parts),
    isComplete: req.complete || req.method === 'CONNECT',
  }
}
