import { type Attack, CHUNKED, get, HOST, post } from './attacks.ts'

const CUT = /^(?:200 )?(?:reset|ended)$/

/** Those that take their time, and the host's. */
export const SLOW_ATTACKS: readonly Attack[] = [
  {
    name: 'slow head',
    begin: attacker => {
      attacker.send(`GET / HTTP/1.1\r\n${HOST}X-A: `).every(1_000, () => attacker.send('a'))
    },
    outcome: /^408 ended$/,
    counted: 'REQUEST_TIMEOUT',
  },
  {
    name: 'slow body',
    begin: attacker => {
      attacker
        .send(post('/echo', 'Content-Length: 1000\r\n'))
        .every(1_000, () => attacker.send('a'))
    },
    outcome: /^408 (?:ended|reset)$/,
    counted: 'REQUEST_TIMEOUT',
  },
  {
    name: 'slow chunked body',
    begin: attacker => {
      attacker.send(post('/pieces', CHUNKED)).every(1_000, () => attacker.send('1\r\na\r\n'))
    },
    outcome: /^408 (?:ended|reset)$/,
    counted: 'REQUEST_TIMEOUT',
  },
  {
    name: 'endless body, just fast enough',
    begin: attacker => {
      const piece = 'a'.repeat(512)
      attacker
        .send(post('/echo', 'Content-Length: 1000000\r\n'))
        .every(200, () => attacker.send(piece))
    },
    outcome: /^408 (?:ended|reset)$/,
    counted: 'REQUEST_TIMEOUT',
  },
  {
    name: 'slow body that nobody reads',
    begin: attacker => {
      attacker
        .send(post('/hello', 'Content-Length: 1000\r\n'))
        .every(1_000, () => attacker.send('a'))
    },
    outcome: /^200 (?:ended|reset)$/,
    counted: 'REQUEST_TIMEOUT',
    // It holds its answer back until the body is there.
    but: { node: { outcome: /^(?:200 )?(?:ended|reset)$/ } },
  },
  {
    name: 'reader of 10 MiB that takes nothing',
    begin: attacker => {
      attacker.send(get('/big')).socket.pause()
    },
    outcome: CUT,
    counted: 'RESPONSE_STALLED',
  },
  {
    name: 'reader of 10 MiB that takes 1 KB a second',
    begin: attacker => {
      attacker.send(get('/big')).socket.pause().removeAllListeners('data')
      attacker.every(1_000, () => attacker.socket.read(1_000))
    },
    outcome: CUT,
    counted: 'RESPONSE_STALLED',
  },
  {
    name: 'reader of an endless stream that takes nothing',
    begin: attacker => {
      attacker.send(get('/stream')).socket.pause()
    },
    outcome: CUT,
    counted: 'RESPONSE_STALLED',
  },
  {
    name: 'connection that says nothing',
    begin: () => {},
    outcome: /^ended|reset$/,
  },
  {
    name: 'kept connection without another request',
    begin: attacker => {
      attacker.send(get('/hello'))
    },
    outcome: /^200 ended$/,
  },
  {
    name: 'client that does not close after the last answer',
    begin: attacker => {
      attacker.send(get('/hello', 'Connection: close\r\n'))
    },
    outcome: /^200 ended$/,
  },
]
