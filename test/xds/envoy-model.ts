import { decode } from '../../src/xds/codec.ts'
import type { Snapshot } from '../../src/xds/resource.ts'

/* What Envoy makes of the messages, as far as they use it: decoded, and matchers evaluated. */

interface Any {
  readonly type_url: string
  readonly value: Buffer
}

interface StringMatcher {
  readonly exact: string
  readonly prefix: string
  readonly safe_regex: { readonly regex: string } | null
}

interface Input {
  readonly typed_config: Any
}

interface Predicate {
  readonly single_predicate: { readonly input: Input; readonly value_match: StringMatcher } | null
  readonly or_matcher: { readonly predicate: readonly Predicate[] } | null
}

interface OnMatch {
  readonly matcher: Matcher | null
  readonly action: { readonly typed_config: Any } | null
}

interface Matcher {
  readonly matcher_list: {
    readonly matchers: readonly { readonly predicate: Predicate; readonly on_match: OnMatch }[]
  } | null
  readonly matcher_tree: {
    readonly input: Input
    readonly prefix_match_map: { readonly map: Readonly<Record<string, OnMatch>> }
  } | null
  readonly on_no_match: OnMatch | null
}

interface RetryPolicy {
  readonly retry_on: string
  readonly per_try_timeout: { readonly seconds: unknown }
}

interface VirtualHost {
  readonly domains: readonly string[]
  readonly retry_policy: RetryPolicy
  readonly matcher: Matcher
}

/** The part of a route that tests look at. */
export interface ModelRoute {
  readonly name: string
  readonly route: {
    readonly cluster: string
    readonly retry_policy: RetryPolicy
    readonly hash_policy: readonly unknown[]
  } | null
  readonly direct_response: { readonly status: number } | null
}

export interface ModelRequest {
  readonly method: string
  /** Normalised as Envoy does it; with the query. */
  readonly path: string
  /** Lower case, with or without a port. */
  readonly host: string
}

/** A resource of a snapshot, decoded. */
export function resource<T>(snapshot: Snapshot, kind: keyof Snapshot, name: string): T {
  const found = snapshot[kind].get(name)
  if (found === undefined) throw new Error(`no ${kind} ${name}`)
  const { type_url, value } = decode<Any>('google.protobuf.Any', found.any)
  return decode(type_url.slice(type_url.indexOf('/') + 1), value)
}

/** Envoy's way from a request to a route. */
export function modelOf(snapshot: Snapshot): (request: ModelRequest) => ModelRoute | undefined {
  const { virtual_hosts: hosts } = resource<{ virtual_hosts: readonly VirtualHost[] }>(
    snapshot,
    'routes',
    'fezz',
  )
  return request => {
    const { matcher, retry_policy } = virtualHost(hosts, request.host)
    const action = evaluate(matcher, request)
    if (action === undefined) return undefined
    const found = decode<ModelRoute>('envoy.config.route.v3.Route', action.value)
    const route = found.route && {
      ...found.route,
      retry_policy: found.route.retry_policy ?? retry_policy,
    }
    return { ...found, route }
  }
}

function virtualHost(hosts: readonly VirtualHost[], authority: string): VirtualHost {
  const name = authority.replace(/:\d+$/, '')
  const domains = hosts.flatMap(host => host.domains)
  const suffixes = domains
    .filter(domain => domain.startsWith('*.') && name.endsWith(domain.slice(1)))
    .sort((a, b) => b.length - a.length)
  const domain = domains.includes(name) ? name : (suffixes[0] ?? '*')
  return hosts.find(host => host.domains.includes(domain))!
}

function evaluate(matcher: Matcher, request: ModelRequest): Any | undefined {
  for (const { predicate, on_match } of matcher.matcher_list?.matchers ?? []) {
    const found = holds(predicate, request) ? follow(on_match, request) : undefined
    if (found !== undefined) return found
  }
  if (matcher.matcher_tree !== null) {
    const { input, prefix_match_map: map } = matcher.matcher_tree
    const value = valueIn(input, request)
    const prefixes = Object.keys(map.map).filter(prefix => value.startsWith(prefix))
    for (const prefix of prefixes.sort((a, b) => b.length - a.length)) {
      const found = follow(map.map[prefix]!, request)
      if (found !== undefined) return found
    }
  }
  return matcher.on_no_match === null ? undefined : follow(matcher.on_no_match, request)
}

function follow({ matcher, action }: OnMatch, request: ModelRequest): Any | undefined {
  return matcher === null ? action!.typed_config : evaluate(matcher, request)
}

function holds({ single_predicate, or_matcher }: Predicate, request: ModelRequest): boolean {
  if (single_predicate === null) return or_matcher!.predicate.some(one => holds(one, request))
  const value = valueIn(single_predicate.input, request)
  const { exact, prefix, safe_regex: regex } = single_predicate.value_match
  if (regex !== null) return new RegExp(`^(?:${regex.regex})$`, 's').test(value)
  return exact === '' ? value.startsWith(prefix) : value === exact
}

function valueIn({ typed_config }: Input, { method, path }: ModelRequest): string {
  const { header_name: name } = decode<{ header_name: string }>(
    'envoy.type.matcher.v3.HttpRequestHeaderMatchInput',
    typed_config.value,
  )
  return name === ':method' ? method : path
}
