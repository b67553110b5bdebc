import { FezzError } from '../../errors.ts'

const MAX_REDIRECTS = 5
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
/** What a connection says that was closed under a request. */
const RESETS: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])

interface SendOptions {
  readonly method: 'GET' | 'HEAD' | 'PUT'
  readonly body?: Uint8Array
  readonly signal: AbortSignal
}

/** An address that may be shown: no credentials, no query (a signed URL has its secret there). */
export function plainAddress(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`
}

/**
 * The bytes at `url`, content encoding undone.
 *
 * @throws FezzError `ARTIFACT_UNAVAILABLE` unless it answers 200; also while they are read
 */
export async function readBytes(url: URL, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  const response = await send(url, { method: 'GET', signal })
  if (response.status === 200) return readBody(response, url, signal)
  await response.body?.cancel()
  throw new FezzError('ARTIFACT_UNAVAILABLE', `${plainAddress(url)} answered ${response.status}`)
}

/**
 * One request with the credentials of `url`. Follows redirects, but not to another scheme, and takes
 * the credentials to no other origin. A PUT follows none.
 *
 * @throws FezzError `ARTIFACT_UNAVAILABLE` when nobody answers, else the signal's reason
 */
export async function send(url: URL, options: SendOptions): Promise<Response> {
  let target = url
  for (let redirects = 0; ; redirects++) {
    const response = await sendOnce(target, target.origin === url.origin ? url : target, options)
    const location = response.headers.get('location')
    if (options.method === 'PUT' || !REDIRECTS.has(response.status) || location === null) {
      return response
    }
    await response.body?.cancel()
    target = redirected(target, location, redirects)
  }
}

function redirected(from: URL, location: string, redirects: number): URL {
  const to = URL.parse(location, from.href)
  const refused = (reason: string) =>
    new FezzError('ARTIFACT_UNAVAILABLE', `${plainAddress(from)} redirects ${reason}`)
  if (to === null) throw refused('to an address that cannot be read')
  if (to.protocol !== from.protocol) throw refused(`to another scheme: ${plainAddress(to)}`)
  if (redirects === MAX_REDIRECTS) throw refused(`more than ${MAX_REDIRECTS} times`)
  return to
}

async function sendOnce(url: URL, { username, password }: URL, options: SendOptions) {
  const { signal, method, body } = options
  // fetch takes no address with credentials in it.
  const bare = new URL(url)
  bare.username = ''
  bare.password = ''
  const headers = new Headers()
  try {
    if (username !== '' || password !== '') {
      const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
      headers.set('authorization', `Basic ${Buffer.from(pair).toString('base64')}`)
    }
    return await fetch(bare, {
      method,
      headers,
      signal,
      redirect: 'manual',
      // A view of a fresh copy is what the types of fetch ask for.
      ...(body !== undefined && { body: new Uint8Array(body) }),
    })
  } catch (cause) {
    signal.throwIfAborted()
    throw unreachable(url, cause)
  }
}

async function* readBody({ body }: Response, url: URL, signal: AbortSignal) {
  try {
    yield* body ?? []
  } catch (cause) {
    signal.throwIfAborted()
    throw unreachable(url, cause)
  }
}

function unreachable(url: URL, cause: unknown): FezzError {
  const reason = innermost(cause)
  const message = `${plainAddress(url)} cannot be reached: ${reason.code ?? reason.message}`
  return new FezzError('ARTIFACT_UNAVAILABLE', message, { cause })
}

/** Whether a request failed because its connection was closed; another one may well succeed. */
export function isReset(error: unknown): boolean {
  const { code } = innermost(error)
  return code !== undefined && RESETS.has(code)
}

/** fetch wraps what has happened in a TypeError that says nothing. */
function innermost(error: unknown): NodeJS.ErrnoException {
  let inner = error
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause
  return inner as NodeJS.ErrnoException
}
