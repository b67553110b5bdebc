/**
 * Preloaded into a program (`node --import listen.mjs`): whatever port its first server names, it
 * listens on the socket FEZZ_SOCKET instead, so that any number of instances run side by side.
 */
import { Server } from 'node:net'

const { FEZZ_SOCKET: socket } = process.env
const { listen } = Server.prototype

if (socket) {
  Server.prototype.listen = function (...args) {
    if (!namesPort(args[0])) return listen.apply(this, args)
    Server.prototype.listen = listen
    const callback = args.findLast(arg => typeof arg === 'function')
    return listen.call(this, socket, ...(callback ? [callback] : []))
  }
}

/** Whether the first argument of `listen` names a TCP port; else it is a path or a handle. */
function namesPort(first) {
  if (first === undefined || first === null || typeof first === 'function') return true
  if (typeof first === 'object') {
    return first.path === undefined && first.fd === undefined && first._handle === undefined
  }
  return Number.isInteger(Number(first))
}
