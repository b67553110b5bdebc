import { ALL_NODES } from './clusters.ts'
import { type EncodedAny, encode, type Message, typeUrl } from './codec.ts'
import { retryPolicy, TIMEOUT_MARGIN_MS } from './policy.ts'
import type { RouteTarget } from './route-draft.ts'

const ROUTE = 'envoy.config.route.v3.Route'

/** Of a function, and for requests that no route takes: those a host answers at once. */
const DEFAULT_TIMEOUT_MS = 30_000

/** Of all routes that have none of their own, which are most: it is the bulk of a route. */
export const DEFAULT_RETRY_POLICY = retryPolicy(true, DEFAULT_TIMEOUT_MS + TIMEOUT_MARGIN_MS)

/** What becomes of a request to a function. */
export function functionAction(target: RouteTarget, isSafe: boolean): Message {
  const { id, cluster, timeoutMs, hasAffinity } = target
  return routeAction({
    name: id,
    match: { prefix: '/' },
    route: {
      ...forward(cluster, isSafe, timeoutMs),
      // Some header that is always there, made into the function's id: equal for all its requests.
      ...(hasAffinity && {
        hash_policy: [
          {
            header: {
              header_name: ':method',
              regex_rewrite: { pattern: { regex: '^.*$' }, substitution: id },
            },
          },
        ],
      }),
    },
  })
}

/** Of what no function takes: a host answers 404 or 405, or knows a function that came just now. */
export function restAction(isSafe: boolean): Message {
  return routeAction({
    name: 'rest',
    match: { prefix: '/' },
    route: forward(ALL_NODES.name, isSafe, DEFAULT_TIMEOUT_MS),
  })
}

/** For paths that are not for the outside. */
export function closedAction(name: string): Message {
  return routeAction({
    name,
    match: { prefix: '/' },
    direct_response: { status: 404, body: { inline_string: 'not found\n' } },
  })
}

function forward(cluster: string, isSafe: boolean, timeoutMs: number): Message {
  const isDefault = isSafe && timeoutMs === DEFAULT_TIMEOUT_MS
  return {
    cluster,
    timeout: '0s',
    ...(!isDefault && { retry_policy: retryPolicy(isSafe, timeoutMs + TIMEOUT_MARGIN_MS) }),
  }
}

/** A matcher's action: `OnMatch` in JSON form, the route inside encoded. */
function routeAction(route: Message): Message {
  const any: EncodedAny = { type_url: typeUrl(ROUTE), value: encode(ROUTE, route) }
  return { action: { name: 'route', typed_config: any } }
}
