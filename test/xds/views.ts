import type { ManifestRoute } from '../../src/function/manifest.ts'
import type { FunctionView, NodeView } from '../../src/xds/view.ts'

/** A node that is ready, unless `fields` say otherwise. */
export function node(id: string, fields: Partial<NodeView> = {}): NodeView {
  return {
    id,
    address: '127.0.0.1',
    port: 8080,
    zone: '',
    labels: {},
    capacity: 1,
    state: 'ready',
    ...fields,
  }
}

/** A function that answers GET at the paths. */
export function functionAt(
  id: string,
  paths: string | readonly (string | (Partial<ManifestRoute> & { path: string }))[],
  fields: Partial<FunctionView> = {},
): FunctionView {
  const written = typeof paths === 'string' ? [paths] : paths
  const routes = written.map(
    (route): ManifestRoute => ({
      methods: ['GET'],
      priority: 0,
      ...(typeof route === 'string' ? { path: route } : route),
    }),
  )
  return { id, routes, timeoutMs: 30_000, placement: {}, balance: 'affinity', ...fields }
}
