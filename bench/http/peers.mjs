import { httpFunctions } from '../fixtures.mjs'
import { onFezz, onNode } from '../peers.mjs'

/** A script of servers/http/, which serves one handler alone where it has no router. */
function onHandler(id, label, packageName) {
  const peer = onNode(id, label, packageName, `http/${id}.mjs`)
  return { ...peer, command: (port, { handler }) => [...peer.command(port), handler] }
}

/** The servers of the HTTP tables, as those of ../peers.mjs; the first is the yardstick. */
export function httpPeers() {
  const files = httpFunctions()
  return [
    onHandler('node', 'bare node:http'),
    onFezz('fezz', 'fezz, listener engine', () => files),
    onFezz('fezz-node', 'fezz, listener node', () => files, { FEZZ_LISTENER: 'node' }),
    onHandler('srvx', 'srvx, FastResponse', 'srvx'),
    onHandler('fastify', 'fastify', 'fastify'),
  ]
}
