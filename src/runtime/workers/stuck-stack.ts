import { type Debugger, Session } from 'node:inspector'
import { fileURLToPath } from 'node:url'

/** How long the main thread may take to come to a place where it can be looked at. */
const PAUSE_MS = 2_000

/**
 * Where the main thread is right now, from another thread: frames as in `Error.stack`, innermost
 * first. V8 stops it even in a loop that never ends; it runs on afterwards. `''` when it is in a call
 * outside of JavaScript, such as `execSync`.
 */
export async function stackOfMainThread(): Promise<string> {
  const session = new Session()
  session.connectToMainThread()
  try {
    return await pausedStack(session)
  } finally {
    // Lets it run on.
    session.disconnect()
  }
}

function pausedStack(session: Session): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const files = new Map<string, string>()
  const timer = setTimeout(resolve, PAUSE_MS, '')
  const settleFailure = (error: Error | null) => {
    if (error !== null) reject(error)
  }
  session.on('Debugger.scriptParsed', ({ params: { scriptId, url } }) => {
    files.set(scriptId, url.startsWith('file:') ? fileURLToPath(url) : url)
  })
  session.on('Debugger.paused', ({ params }) => resolve(worded(params.callFrames, files)))
  session.post('Debugger.enable', settleFailure)
  session.post('Debugger.pause', settleFailure)
  return promise.finally(() => clearTimeout(timer))
}

function worded(frames: readonly Debugger.CallFrame[], files: ReadonlyMap<string, string>): string {
  return frames
    .map(({ functionName, location: { scriptId, lineNumber, columnNumber = 0 } }) => {
      const place = `${files.get(scriptId) || '<anonymous>'}:${lineNumber + 1}:${columnNumber + 1}`
      return functionName === '' ? `    at ${place}` : `    at ${functionName} (${place})`
    })
    .join('\n')
}
