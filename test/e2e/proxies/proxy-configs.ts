/*
 * The least that makes each of them keep its connections to the host and pass bodies on as they
 * come. None sends a request twice: that would hide a connection that the host ends too early. None
 * keeps a connection for longer than the host does (`keepAliveTimeout`).
 */

/** The content of nginx's `http` block. */
export function nginxConfig(port: number, hostPort: number): string {
  return `
  upstream fezz {
    server 127.0.0.1:${hostPort};
    keepalive 64;
    keepalive_timeout 55s;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://fezz;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_request_buffering off;
      proxy_next_upstream off;
    }
  }`
}

export function haproxyConfig(port: number, hostPort: number): string {
  return `
defaults
  mode http
  http-reuse always
  retries 0
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend web
  bind 127.0.0.1:${port}
  default_backend fezz
backend fezz
  server host 127.0.0.1:${hostPort}
`
}

export function envoyConfig(hostPort: number): string {
  return `
static_resources:
  listeners:
    - name: web
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      filter_chains:
        - filters:
            - name: http
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: web
                generate_request_id: false
                # Otherwise Envoy says "100 Continue" itself.
                proxy_100_continue: true
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: { prefix: / }
                          route: { cluster: fezz, timeout: 0s }
                http_filters:
                  - name: router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
    - name: fezz
      type: STATIC
      load_assignment:
        cluster_name: fezz
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${hostPort} } } }
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          common_http_protocol_options: { idle_timeout: 55s }
          explicit_http_config: { http_protocol_options: {} }
`
}
