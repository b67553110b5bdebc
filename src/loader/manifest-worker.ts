import { inspect, types } from 'node:util'
import { type MessagePort, parentPort } from 'node:worker_threads'
import { FezzError } from '../errors.ts'
import { functionsIn } from '../function/declared.ts'
import { BUNDLE_FILE } from './artifact.ts'
import { type EvaluatedArtifact, evaluateArtifact } from './evaluate.ts'
import type { ManifestJob, ManifestReply } from './manifest-protocol.ts'
import { mapStack } from './stack.ts'

// The thread in which read-manifest.ts evaluates bundles. It serves one job at a time.

async function answer({ code, name }: ManifestJob): Promise<ManifestReply> {
  let module: EvaluatedArtifact | undefined
  try {
    module = await evaluateArtifact(code)
    return { kind: 'found', functions: functionsIn(module.exports, name) }
  } catch (error) {
    if (module !== undefined && error instanceof FezzError) {
      return {
        kind: 'failed',
        code: 'INVALID_MANIFEST',
        message: `${code.entry}: ${error.message}`,
      }
    }
    return { kind: 'failed', code: 'BUILD_FAILED', message: describeThrow(error, code.entry) }
  } finally {
    module?.dispose()
  }
}

const FRAME = /^\s+at /
const PLACE = /((?:\/|[A-Za-z]:\\)[^\n]*:\d+:\d+)\)?$/

/** The place, what was thrown, and the frames of the module's own sources. */
function describeThrow(error: unknown, entry: string): string {
  const stack = types.isNativeError(error) ? error.stack : undefined
  if (typeof stack !== 'string') return `${entry}: threw while it was evaluated: ${inspect(error)}`
  const lines = stack.split('\n')
  const frames = lines
    .filter(line => FRAME.test(line) && line.includes(`${BUNDLE_FILE}:`))
    .map(mapStack)
    // The bundle's own helpers have no source.
    .filter(line => !line.includes(`${BUNDLE_FILE}:`))
  const place = PLACE.exec(frames[0]?.replace(/^.*\(|^\s+at (?:async )?/, '') ?? '')?.[1] ?? entry
  const firstFrame = lines.findIndex(line => FRAME.test(line))
  const head = firstFrame === -1 ? lines : lines.slice(0, firstFrame)
  return [`${place}: ${head.join('\n')}`, ...frames].join('\n')
}

// A promise or a callback that fails after its module has been read is not this thread's business,
// and must not be taken for a fault of the next module.
process.on('unhandledRejection', () => {})
process.on('uncaughtException', () => {})

const port = parentPort as MessagePort
const post = (reply: ManifestReply): void => port.postMessage(reply)
port.on('message', async (job: ManifestJob) => {
  post({ kind: 'evaluating' })
  post(await answer(job))
})
