import { FezzError } from '../../errors.ts'

/** Numbers of gRPC's status codes, as far as they matter here (grpc/grpc, doc/statuscodes.md). */
export const GRPC = {
  CANCELLED: 1,
  DEADLINE_EXCEEDED: 4,
  RESOURCE_EXHAUSTED: 8,
  OUT_OF_RANGE: 11,
  UNAVAILABLE: 14,
} as const

/** A call that failed, in terms of gRPC. */
export class EtcdFailure extends Error {
  override readonly name = 'EtcdFailure'
  readonly code: number
  /** What etcd or gRPC says. */
  readonly details: string
  /** Whether etcd has certainly not got to see the call. */
  readonly unsent: boolean

  constructor(code: number, details: string, options: ErrorOptions & { unsent?: boolean } = {}) {
    super(details, options)
    this.code = code
    this.details = details
    this.unsent = options.unsent ?? false
  }

  /** @param error what grpc-js reports: an Error with `code` and `details` */
  static of(error: unknown): EtcdFailure {
    if (error instanceof EtcdFailure) return error
    const { code, details, message } = error as Partial<EtcdFailure>
    const text = details || message || String(error)
    const unsent = code === GRPC.UNAVAILABLE && NEVER_SENT.test(text)
    const status = typeof code === 'number' ? code : GRPC.UNAVAILABLE
    return new EtcdFailure(status, text, { cause: error, unsent })
  }

  /** Whether another server, or the same one later, may well answer. */
  get isOutage(): boolean {
    return this.code === GRPC.UNAVAILABLE || this.code === GRPC.DEADLINE_EXCEEDED
  }

  /** Whether the call was refused for want of a valid token; it can be repeated with a new one. */
  get needsToken(): boolean {
    return NEEDS_TOKEN.test(this.details)
  }

  /** Whether the revision asked for has been compacted. */
  get isCompacted(): boolean {
    return this.code === GRPC.OUT_OF_RANGE && this.details.includes('compacted')
  }

  /** Whether the lease that was named has ended. */
  get isNoLease(): boolean {
    return this.details.includes('requested lease not found')
  }

  /** Whether the user is unknown, has another password, or may not do this. */
  get isRefusal(): boolean {
    return REFUSED.test(this.details)
  }
}

/** What grpc-js says of calls that have not found a connection. */
const NEVER_SENT = /^No connection established|^Name resolution failed|call started$/

/** With a token that a restart or time has ended, or none where authentication was turned on since. */
const NEEDS_TOKEN = /invalid auth token|revision of auth store is old|user name is empty/

const REFUSED = /etcdserver: (authentication failed|permission denied)/

/** Who is asked, for messages. Holds no secrets. */
export interface Peer {
  readonly endpoints: readonly string[]
  readonly user?: string | undefined
}

/** What the layer above gets to see of `failure`. */
export function unavailable(failure: EtcdFailure, { endpoints, user }: Peer): FezzError {
  const where = `etcd at ${endpoints.join(', ')}`
  const as = user === undefined ? 'a client without user' : `user "${user}"`
  const message = failure.isOutage
    ? `${where} does not answer: ${failure.details}`
    : failure.isRefusal
      ? `${where} refuses ${as}: ${failure.details}; check user, password and roles`
      : failure.needsToken && user === undefined
        ? `${where} wants a user: ${failure.details}; name user and password`
        : `${where} reports: ${failure.details}`
  return new FezzError('STORE_UNAVAILABLE', message, { cause: failure })
}

/** @param reason for people; ends up in the message */
export function watchLost(reason: string, cause?: unknown): FezzError {
  return new FezzError('WATCH_LOST', `the watch is lost: ${reason}; list again`, { cause })
}

export function storeClosed(): FezzError {
  return new FezzError('STORE_UNAVAILABLE', 'the store is closed')
}
