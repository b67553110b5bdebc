import type { Attacker } from './attacker.ts'
import { type Attack, CHUNKED, get, HOST, post } from './attacks.ts'

const GONE = /^(?:200 )?open$/

const ending = (bytes: string) => (attacker: Attacker) => {
  attacker.send(bytes).socket.end()
}

/** Resets the connection once the host has had time to read what was sent. */
const resetting = (bytes: string) => (attacker: Attacker) => {
  attacker.send(bytes)
  setTimeout(() => attacker.socket.resetAndDestroy(), 50)
}

/** Those that leave, by halves or for good. */
export const LEAVING_ATTACKS: readonly Attack[] = [
  {
    name: 'half closed behind a request',
    begin: ending(get('/slow')),
    outcome: /^200 ended$/,
    isRepeated: true,
    // It closes too, and the answer cannot be sent.
    but: { node: { outcome: /^ended$/ } },
  },
  {
    name: 'half closed in a head',
    begin: ending(`GET / HTTP/1.1\r\n${HOST}X-A: `),
    outcome: /^400 (?:ended|reset)$/,
    counted: 'BAD_REQUEST',
    isRepeated: true,
  },
  {
    name: 'half closed in a body',
    begin: ending(`${post('/echo', 'Content-Length: 1000\r\n')}half`),
    outcome: /^400 (?:ended|reset)$/,
    counted: 'BAD_REQUEST',
    isRepeated: true,
  },
  {
    name: 'reset in a head',
    begin: resetting(`GET / HTTP/1.1\r\n${HOST}X-A: `),
    outcome: GONE,
    isRepeated: true,
  },
  {
    name: 'reset in a body',
    begin: resetting(`${post('/pieces', CHUNKED)}5\r\nhal`),
    outcome: GONE,
    isRepeated: true,
  },
  {
    name: 'reset in a response',
    begin: resetting(get('/stream')),
    outcome: GONE,
    isRepeated: true,
  },
  {
    name: 'connections closed at once',
    begin: attacker => {
      attacker.socket.once('connect', () => attacker.socket.destroy())
    },
    outcome: GONE,
    isRepeated: true,
  },
]
