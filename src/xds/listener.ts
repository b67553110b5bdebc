import { CONNECTION_BUFFER_BYTES, CONNECTION_POLICY, extension } from './policy.ts'
import { type Resource, resourceOf } from './resource.ts'

/** Name of the only route configuration. */
export const ROUTES_NAME = 'fezz'

const MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'

/** Where Envoy takes requests. */
export interface ListenerOptions {
  /** Default `0.0.0.0`. */
  readonly address?: string
  /** Default 80. */
  readonly port?: number
}

/** Envoy's listener; the routes come on their own. */
export function listenerResource(options: ListenerOptions = {}): Resource {
  const { address = '0.0.0.0', port = 80 } = options
  const manager = extension(MANAGER, {
    ...CONNECTION_POLICY,
    rds: {
      route_config_name: ROUTES_NAME,
      config_source: { ads: {}, resource_api_version: 'V3' },
    },
  })
  return resourceOf('listeners', 'fezz', {
    name: 'fezz',
    address: { socket_address: { address, port_value: port } },
    per_connection_buffer_limit_bytes: CONNECTION_BUFFER_BYTES,
    filter_chains: [
      {
        filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }],
      },
    ],
  })
}
