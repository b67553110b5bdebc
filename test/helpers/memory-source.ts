import { findField } from '../../src/http/web/fields.ts'
import type { RequestSource } from '../../src/http/web/source.ts'

export interface MemorySourceOptions {
  readonly method?: string
  readonly scheme?: 'http' | 'https'
  readonly authority?: string
  readonly target?: string
  /** Name, value, name, value, ... */
  readonly rawHeaders?: readonly string[]
  readonly body?: string | Uint8Array | null
}

/** A RequestSource without a socket; `leave()` is the client that goes away. */
export class MemorySource implements RequestSource {
  readonly method: string
  readonly scheme: 'http' | 'https'
  readonly authority: string
  readonly target: string
  readonly rawHeaders: readonly string[]
  readonly requestId: string | undefined
  readonly clientAddress = '127.0.0.1'
  readonly body: RequestSource['body']
  /** How often the body was asked for, whole or as a stream. */
  reads = 0
  /** How many wait for the client to leave. */
  readonly listeners: (() => void)[] = []
  #left = false

  constructor(options: MemorySourceOptions = {}) {
    this.method = options.method ?? 'GET'
    this.scheme = options.scheme ?? 'http'
    this.authority = options.authority ?? 'fezz.test'
    this.target = options.target ?? '/'
    this.rawHeaders = options.rawHeaders ?? []
    this.requestId = findField(this.rawHeaders, 'x-request-id')
    const body = options.body ?? null
    if (body === null) {
      this.body = null
      return
    }
    const bytes = new Uint8Array(Buffer.from(body as string))
    this.body = {
      bytes: async () => {
        this.reads++
        return bytes
      },
      stream: () => {
        this.reads++
        return ReadableStream.from([bytes]) as ReadableStream<Uint8Array<ArrayBuffer>>
      },
    }
  }

  onAbort(listener: () => void): void {
    if (this.#left) listener()
    else this.listeners.push(listener)
  }

  leave(): void {
    this.#left = true
    for (const listener of this.listeners.splice(0)) listener()
  }
}
