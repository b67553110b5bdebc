import { onTestFinished } from 'vitest'
import {
  ThreadExecutor,
  type ThreadExecutorOptions,
} from '../../../src/executors/thread/thread-executor.ts'
import type { Deployment, FunctionContext, Instance } from '../../../src/function/contract.ts'
import type { ManifestInput } from '../../../src/function/manifest.ts'
import { checkManifest } from '../../../src/function/manifest-schema.ts'
import { toIncoming } from '../../../src/http/web/incoming-request.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'
import { createLoader, createProject } from '../../loader/project.ts'

/** An executor, closed when the test is over, and what it logs. */
export function threads(options: Partial<ThreadExecutorOptions> = {}) {
  const lines: Record<string, unknown>[] = []
  const log = createLogger({
    level: 'info',
    destination: { write: line => lines.push(JSON.parse(line)) },
  })
  const executor = new ThreadExecutor({ log, killGraceMs: 100, ...options })
  onTestFinished(() => executor.close())
  return { executor, lines }
}

/** A deployment of a function with this source; it declares nothing but what is given here. */
export async function deploymentOf(
  source: string,
  declared: Partial<ManifestInput> = {},
): Promise<Deployment> {
  const folder = await createProject({ 'f.ts': source })
  const { functions, errors } = await createLoader(folder).load([`${folder}/f.ts`])
  const code = functions[0]?.code
  if (code === undefined) throw new AggregateError(errors, 'the source does not build')
  const manifest = checkManifest({ id: 'f', ...declared }, 'test')
  return { manifest, code, env: manifest.env }
}

const context = {
  params: {},
  requestId: 'r',
  traceparent: undefined,
  waitUntil() {},
} as unknown as FunctionContext

/** One request as the host sends it; a throw is a rejection. */
export function ask(instance: Instance, path = '/') {
  const request = toIncoming(new Request(`http://localhost${path}`))
  const answer = (async () => instance.fetch(request, context))()
  answer.catch(() => {})
  return { request, answer, text: async () => (await answer).text() }
}
