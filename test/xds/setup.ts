import { createLogger } from '../../src/telemetry/logger.ts'
import type { ClusterView } from '../../src/xds/view.ts'
import { XdsServer, type XdsServerOptions } from '../../src/xds/xds-server.ts'

/** A server on a free port, with its log lines. */
export async function startXds(view?: ClusterView, options: Partial<XdsServerOptions> = {}) {
  const lines: Record<string, unknown>[] = []
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) }
  const log = createLogger({ destination })
  const server = new XdsServer({ host: '127.0.0.1', port: 0, log, ...options })
  if (view !== undefined) server.update(view)
  const { port } = await server.listen()
  return {
    server,
    port,
    lines,
    [Symbol.asyncDispose]: () => server.close(),
  }
}

/** Resolves when `condition` holds. @throws when it does not within `limitMs`, default 5 s */
export async function until(
  condition: () => boolean | Promise<boolean>,
  limitMs = 5_000,
): Promise<void> {
  const deadline = performance.now() + limitMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${limitMs} ms: ${condition}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
