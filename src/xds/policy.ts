import type { Message } from './codec.ts'

/*
 * How Envoy is to treat hosts and clients; envoy/static.yaml says the same and why, line by line. A
 * test compares the two.
 */

/** Between a function's timeout, which the host answers with 504, and Envoy's own. */
export const TIMEOUT_MARGIN_MS = 5_000

/** May be repeated whatever became of them (RFC 9110, section 9.2.1). */
export const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS'] as const

const NOT_SEEN = 'connect-failure,refused-stream,reset-before-request'

/** @param headTimeoutMs time to the head of the answer */
export function retryPolicy(isSafe: boolean, headTimeoutMs: number): Message {
  return {
    retry_on: isSafe ? `${NOT_SEEN},reset` : NOT_SEEN,
    num_retries: 3,
    per_try_timeout: seconds(headTimeoutMs),
    retry_back_off: { base_interval: '0.025s', max_interval: '0.250s' },
    retry_host_predicate: [
      {
        name: 'envoy.retry_host_predicates.previous_hosts',
        typed_config: extension(
          'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
        ),
      },
    ],
    host_selection_retry_max_attempts: 10,
  }
}

/** What all clusters have in common. */
export const CLUSTER_POLICY: Message = {
  connect_timeout: '0.250s',
  ignore_health_on_host_removal: true,
  health_checks: [
    {
      timeout: '1s',
      interval: '0.500s',
      no_traffic_interval: '0.500s',
      unhealthy_interval: '0.500s',
      unhealthy_threshold: 3,
      healthy_threshold: 1,
      http_health_check: { path: '/_health' },
    },
  ],
  outlier_detection: {
    split_external_local_origin_errors: true,
    consecutive_local_origin_failure: 3,
    enforcing_consecutive_local_origin_failure: 100,
    enforcing_local_origin_success_rate: 0,
    enforcing_consecutive_5xx: 0,
    enforcing_consecutive_gateway_failure: 0,
    enforcing_success_rate: 0,
    interval: '1s',
    base_ejection_time: '5s',
    max_ejection_time: '30s',
    max_ejection_percent: 50,
  },
  circuit_breakers: {
    thresholds: [
      {
        max_connections: 4096,
        max_pending_requests: 1024,
        max_requests: 4096,
        retry_budget: { budget_percent: { value: 50 }, min_retry_concurrency: 100 },
      },
    ],
  },
  upstream_connection_options: {
    tcp_keepalive: { keepalive_probes: 3, keepalive_time: 10, keepalive_interval: 5 },
  },
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': extension(
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      {
        common_http_protocol_options: { idle_timeout: '55s' },
        explicit_http_config: { http_protocol_options: {} },
      },
    ),
  },
}

/** Of every cluster; more may be added to it. */
export const BALANCE_POLICY: Message = {
  healthy_panic_threshold: { value: 1 },
  update_merge_window: '0s',
}

/** The connection manager, but for where its routes come from. */
export const CONNECTION_POLICY: Message = {
  stat_prefix: 'fezz',
  normalize_path: true,
  merge_slashes: true,
  path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
  use_remote_address: true,
  internal_address_config: { cidr_ranges: [{ address_prefix: '255.255.255.255', prefix_len: 32 }] },
  generate_request_id: true,
  preserve_external_request_id: true,
  always_set_request_id_in_response: true,
  server_header_transformation: 'PASS_THROUGH',
  max_request_headers_kb: 15,
  request_headers_timeout: '20s',
  stream_idle_timeout: '300s',
  common_http_protocol_options: {
    idle_timeout: '300s',
    max_headers_count: 240,
    headers_with_underscores_action: 'REJECT_REQUEST',
  },
  http2_protocol_options: {
    max_concurrent_streams: 100,
    initial_stream_window_size: 65_536,
    initial_connection_window_size: 1_048_576,
  },
  access_log: [
    {
      name: 'envoy.access_loggers.stdout',
      typed_config: extension('envoy.extensions.access_loggers.stream.v3.StdoutAccessLog', {
        log_format: {
          json_format: {
            time: '%START_TIME%',
            requestId: '%REQ(X-REQUEST-ID)%',
            method: '%REQ(:METHOD)%',
            host: '%REQ(:AUTHORITY)%',
            path: '%PATH(NQ)%',
            protocol: '%PROTOCOL%',
            status: '%RESPONSE_CODE%',
            flags: '%RESPONSE_FLAGS%',
            details: '%RESPONSE_CODE_DETAILS%',
            route: '%ROUTE_NAME%',
            upstream: '%UPSTREAM_HOST%',
            attempts: '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
            durationMs: '%DURATION%',
            bytesIn: '%BYTES_RECEIVED%',
            bytesOut: '%BYTES_SENT%',
            client: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
          },
        },
      }),
    },
  ],
  http_filters: [
    {
      name: 'envoy.filters.http.router',
      typed_config: extension('envoy.extensions.filters.http.router.v3.Router', {
        suppress_envoy_headers: true,
      }),
    },
  ],
}

export const CONNECTION_BUFFER_BYTES = 65_536

/** An extension's configuration: an Any in JSON form. */
export function extension(typeName: string, fields: Message = {}): Message {
  return { '@type': `type.googleapis.com/${typeName}`, ...fields }
}

/** A duration in the JSON form: `"1.500s"`. */
function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(3)}s`.replace('.000s', 's')
}
