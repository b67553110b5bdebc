/**
 * The part of Envoy's API (v3) that is spoken here, with the names and field numbers of
 * https://github.com/envoyproxy/data-plane-api and https://github.com/cncf/xds. Members of a `oneof`
 * are plain fields: on the wire they are the same.
 */
export const PROTO_FILES: readonly string[] = [
  `syntax = "proto3"; package google.protobuf;
  message Any { string type_url = 1; bytes value = 2; }
  message Duration { int64 seconds = 1; int32 nanos = 2; }
  message BoolValue { bool value = 1; }
  message UInt32Value { uint32 value = 1; }
  message UInt64Value { uint64 value = 1; }
  message Struct { map<string, Value> fields = 1; }
  message Value {
    double number_value = 2; string string_value = 3; bool bool_value = 4; Struct struct_value = 5;
  }`,

  `syntax = "proto3"; package google.rpc;
  message Status { int32 code = 1; string message = 2; }`,

  `syntax = "proto3"; package envoy.service.discovery.v3;
  message DiscoveryRequest {
    string version_info = 1; envoy.config.core.v3.Node node = 2; repeated string resource_names = 3;
    string type_url = 4; string response_nonce = 5; google.rpc.Status error_detail = 6;
  }
  message DiscoveryResponse {
    string version_info = 1; repeated google.protobuf.Any resources = 2; string type_url = 4;
    string nonce = 5;
  }
  message DeltaDiscoveryRequest {
    envoy.config.core.v3.Node node = 1; string type_url = 2;
    repeated string resource_names_subscribe = 3; repeated string resource_names_unsubscribe = 4;
    map<string, string> initial_resource_versions = 5; string response_nonce = 6;
    google.rpc.Status error_detail = 7;
  }
  message DeltaDiscoveryResponse {
    string system_version_info = 1; repeated Resource resources = 2; string type_url = 4;
    string nonce = 5; repeated string removed_resources = 6;
  }
  message Resource { string version = 1; google.protobuf.Any resource = 2; string name = 3; }`,

  `syntax = "proto3"; package envoy.type.v3;
  message Percent { double value = 1; }`,

  `syntax = "proto3"; package envoy.type.matcher.v3;
  message RegexMatcher { string regex = 2; }
  message RegexMatchAndSubstitute { RegexMatcher pattern = 1; string substitution = 2; }
  message HttpRequestHeaderMatchInput { string header_name = 1; }`,

  `syntax = "proto3"; package xds.core.v3;
  message TypedExtensionConfig { string name = 1; google.protobuf.Any typed_config = 2; }`,

  `syntax = "proto3"; package xds.type.matcher.v3;
  message RegexMatcher { GoogleRE2 google_re2 = 1; string regex = 2; message GoogleRE2 {} }
  message StringMatcher { string exact = 1; string prefix = 2; RegexMatcher safe_regex = 5; }
  message Matcher {
    MatcherList matcher_list = 1; MatcherTree matcher_tree = 2; OnMatch on_no_match = 3;
    message OnMatch { Matcher matcher = 1; xds.core.v3.TypedExtensionConfig action = 2; }
    message MatcherList {
      repeated FieldMatcher matchers = 1;
      message FieldMatcher { Predicate predicate = 1; OnMatch on_match = 2; }
      message Predicate {
        SinglePredicate single_predicate = 1; PredicateList or_matcher = 2; PredicateList and_matcher = 3;
        message SinglePredicate {
          xds.core.v3.TypedExtensionConfig input = 1; StringMatcher value_match = 2;
        }
        message PredicateList { repeated Predicate predicate = 1; }
      }
    }
    message MatcherTree {
      xds.core.v3.TypedExtensionConfig input = 1; MatchMap exact_match_map = 2; MatchMap prefix_match_map = 3;
      message MatchMap { map<string, OnMatch> map = 1; }
    }
  }`,

  `syntax = "proto3"; package envoy.config.core.v3;
  enum HealthStatus { UNKNOWN = 0; HEALTHY = 1; UNHEALTHY = 2; DRAINING = 3; }
  enum ApiVersion { AUTO = 0; V2 = 1; V3 = 2; }
  message Locality { string region = 1; string zone = 2; string sub_zone = 3; }
  message Node { string id = 1; string cluster = 2; Locality locality = 4; }
  message Metadata { map<string, google.protobuf.Struct> filter_metadata = 1; }
  message SocketAddress { string address = 2; uint32 port_value = 3; }
  message Address { SocketAddress socket_address = 1; }
  message CidrRange { string address_prefix = 1; google.protobuf.UInt32Value prefix_len = 2; }
  message DataSource { string inline_string = 3; }
  message AggregatedConfigSource {}
  message ConfigSource { AggregatedConfigSource ads = 3; ApiVersion resource_api_version = 6; }
  message TcpKeepalive {
    google.protobuf.UInt32Value keepalive_probes = 1; google.protobuf.UInt32Value keepalive_time = 2;
    google.protobuf.UInt32Value keepalive_interval = 3;
  }
  message HttpProtocolOptions {
    enum HeadersWithUnderscoresAction { ALLOW = 0; REJECT_REQUEST = 1; DROP_HEADER = 2; }
    google.protobuf.Duration idle_timeout = 1; google.protobuf.UInt32Value max_headers_count = 2;
    HeadersWithUnderscoresAction headers_with_underscores_action = 5;
  }
  message Http1ProtocolOptions {}
  message Http2ProtocolOptions {
    google.protobuf.UInt32Value max_concurrent_streams = 2;
    google.protobuf.UInt32Value initial_stream_window_size = 3;
    google.protobuf.UInt32Value initial_connection_window_size = 4;
  }
  message SubstitutionFormatString { google.protobuf.Struct json_format = 2; }
  message HealthCheck {
    google.protobuf.Duration timeout = 1; google.protobuf.Duration interval = 2;
    google.protobuf.UInt32Value unhealthy_threshold = 4; google.protobuf.UInt32Value healthy_threshold = 5;
    HttpHealthCheck http_health_check = 8; google.protobuf.Duration no_traffic_interval = 12;
    google.protobuf.Duration unhealthy_interval = 14;
    message HttpHealthCheck { string host = 1; string path = 2; }
  }`,

  `syntax = "proto3"; package envoy.config.endpoint.v3;
  message ClusterLoadAssignment { string cluster_name = 1; repeated LocalityLbEndpoints endpoints = 2; }
  message LocalityLbEndpoints {
    envoy.config.core.v3.Locality locality = 1; repeated LbEndpoint lb_endpoints = 2;
  }
  message LbEndpoint {
    Endpoint endpoint = 1; envoy.config.core.v3.HealthStatus health_status = 2;
    envoy.config.core.v3.Metadata metadata = 3; google.protobuf.UInt32Value load_balancing_weight = 4;
  }
  message Endpoint { envoy.config.core.v3.Address address = 1; }`,

  `syntax = "proto3"; package envoy.config.cluster.v3;
  message Cluster {
    enum DiscoveryType { STATIC = 0; STRICT_DNS = 1; LOGICAL_DNS = 2; EDS = 3; }
    enum LbPolicy { ROUND_ROBIN = 0; LEAST_REQUEST = 1; RING_HASH = 2; RANDOM = 3; }
    string name = 1; DiscoveryType type = 2; EdsClusterConfig eds_cluster_config = 3;
    google.protobuf.Duration connect_timeout = 4; LbPolicy lb_policy = 6;
    repeated envoy.config.core.v3.HealthCheck health_checks = 8; CircuitBreakers circuit_breakers = 10;
    OutlierDetection outlier_detection = 19; RingHashLbConfig ring_hash_lb_config = 23;
    CommonLbConfig common_lb_config = 27; UpstreamConnectionOptions upstream_connection_options = 30;
    bool ignore_health_on_host_removal = 32;
    map<string, google.protobuf.Any> typed_extension_protocol_options = 36;
    message EdsClusterConfig { envoy.config.core.v3.ConfigSource eds_config = 1; string service_name = 2; }
    message RingHashLbConfig { google.protobuf.UInt64Value minimum_ring_size = 1; }
    message CommonLbConfig {
      envoy.type.v3.Percent healthy_panic_threshold = 1; google.protobuf.Duration update_merge_window = 4;
      ConsistentHashingLbConfig consistent_hashing_lb_config = 7;
      message ConsistentHashingLbConfig { google.protobuf.UInt32Value hash_balance_factor = 2; }
    }
  }
  message UpstreamConnectionOptions { envoy.config.core.v3.TcpKeepalive tcp_keepalive = 1; }
  message CircuitBreakers {
    repeated Thresholds thresholds = 1;
    message Thresholds {
      google.protobuf.UInt32Value max_connections = 2; google.protobuf.UInt32Value max_pending_requests = 3;
      google.protobuf.UInt32Value max_requests = 4; RetryBudget retry_budget = 8;
      message RetryBudget {
        envoy.type.v3.Percent budget_percent = 1; google.protobuf.UInt32Value min_retry_concurrency = 2;
      }
    }
  }
  message OutlierDetection {
    google.protobuf.Duration interval = 2; google.protobuf.Duration base_ejection_time = 3;
    google.protobuf.UInt32Value max_ejection_percent = 4;
    google.protobuf.UInt32Value enforcing_consecutive_5xx = 5;
    google.protobuf.UInt32Value enforcing_success_rate = 6;
    google.protobuf.UInt32Value enforcing_consecutive_gateway_failure = 11;
    bool split_external_local_origin_errors = 12;
    google.protobuf.UInt32Value consecutive_local_origin_failure = 13;
    google.protobuf.UInt32Value enforcing_consecutive_local_origin_failure = 14;
    google.protobuf.UInt32Value enforcing_local_origin_success_rate = 15;
    google.protobuf.Duration max_ejection_time = 21;
  }`,

  `syntax = "proto3"; package envoy.extensions.upstreams.http.v3;
  message HttpProtocolOptions {
    envoy.config.core.v3.HttpProtocolOptions common_http_protocol_options = 1;
    ExplicitHttpConfig explicit_http_config = 3;
    message ExplicitHttpConfig { envoy.config.core.v3.Http1ProtocolOptions http_protocol_options = 1; }
  }`,

  `syntax = "proto3"; package envoy.config.route.v3;
  message RouteConfiguration {
    string name = 1; repeated VirtualHost virtual_hosts = 2; bool ignore_port_in_host_matching = 14;
  }
  message VirtualHost {
    string name = 1; repeated string domains = 2; RetryPolicy retry_policy = 16;
    xds.type.matcher.v3.Matcher matcher = 21;
  }
  message Route {
    RouteMatch match = 1; RouteAction route = 2; DirectResponseAction direct_response = 7; string name = 14;
  }
  message RouteMatch { string prefix = 1; }
  message DirectResponseAction { uint32 status = 1; envoy.config.core.v3.DataSource body = 2; }
  message RouteAction {
    string cluster = 1; google.protobuf.Duration timeout = 8; RetryPolicy retry_policy = 9;
    repeated HashPolicy hash_policy = 15;
    message HashPolicy {
      Header header = 1;
      message Header { string header_name = 1; envoy.type.matcher.v3.RegexMatchAndSubstitute regex_rewrite = 2; }
    }
  }
  message RetryPolicy {
    string retry_on = 1; google.protobuf.UInt32Value num_retries = 2;
    google.protobuf.Duration per_try_timeout = 3; repeated RetryHostPredicate retry_host_predicate = 5;
    int64 host_selection_retry_max_attempts = 6; RetryBackOff retry_back_off = 8;
    message RetryHostPredicate { string name = 1; google.protobuf.Any typed_config = 3; }
    message RetryBackOff {
      google.protobuf.Duration base_interval = 1; google.protobuf.Duration max_interval = 2;
    }
  }`,

  `syntax = "proto3"; package envoy.extensions.retry.host.previous_hosts.v3;
  message PreviousHostsPredicate {}`,

  `syntax = "proto3"; package envoy.config.accesslog.v3;
  message AccessLog { string name = 1; google.protobuf.Any typed_config = 4; }`,

  `syntax = "proto3"; package envoy.extensions.access_loggers.stream.v3;
  message StdoutAccessLog { envoy.config.core.v3.SubstitutionFormatString log_format = 1; }`,

  `syntax = "proto3"; package envoy.extensions.filters.http.router.v3;
  message Router { bool suppress_envoy_headers = 4; }`,

  `syntax = "proto3"; package envoy.extensions.filters.network.http_connection_manager.v3;
  message HttpConnectionManager {
    enum ServerHeaderTransformation { OVERWRITE = 0; APPEND_IF_ABSENT = 1; PASS_THROUGH = 2; }
    enum PathWithEscapedSlashesAction {
      IMPLEMENTATION_SPECIFIC_DEFAULT = 0; KEEP_UNCHANGED = 1; REJECT_REQUEST = 2;
    }
    string stat_prefix = 2; Rds rds = 3; repeated HttpFilter http_filters = 5;
    envoy.config.core.v3.Http2ProtocolOptions http2_protocol_options = 9;
    repeated envoy.config.accesslog.v3.AccessLog access_log = 13;
    google.protobuf.BoolValue use_remote_address = 14; google.protobuf.BoolValue generate_request_id = 15;
    google.protobuf.Duration stream_idle_timeout = 24; InternalAddressConfig internal_address_config = 25;
    google.protobuf.UInt32Value max_request_headers_kb = 29; google.protobuf.BoolValue normalize_path = 30;
    bool preserve_external_request_id = 32; bool merge_slashes = 33;
    ServerHeaderTransformation server_header_transformation = 34;
    envoy.config.core.v3.HttpProtocolOptions common_http_protocol_options = 35;
    bool always_set_request_id_in_response = 37; google.protobuf.Duration request_headers_timeout = 41;
    PathWithEscapedSlashesAction path_with_escaped_slashes_action = 45;
    message InternalAddressConfig { repeated envoy.config.core.v3.CidrRange cidr_ranges = 2; }
  }
  message Rds { envoy.config.core.v3.ConfigSource config_source = 1; string route_config_name = 2; }
  message HttpFilter { string name = 1; google.protobuf.Any typed_config = 4; }`,

  `syntax = "proto3"; package envoy.config.listener.v3;
  message Listener {
    string name = 1; envoy.config.core.v3.Address address = 2; repeated FilterChain filter_chains = 3;
    google.protobuf.UInt32Value per_connection_buffer_limit_bytes = 5;
  }
  message FilterChain { repeated Filter filters = 3; }
  message Filter { string name = 1; google.protobuf.Any typed_config = 4; }`,
]
