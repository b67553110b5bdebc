import { type Attack, CHUNKED, get, HOST, post } from './attacks.ts'

const PACK = 500
const ALL_AT_ONCE =
  'it does all of what has arrived on a connection before it looks at the next one'

/** Those that send more than they should. */
export const FLOOD_ATTACKS: readonly Attack[] = [
  {
    name: 'pipelined requests, answers unread',
    begin: attacker => {
      attacker.socket.pause()
      attacker.flood(get('/hello').repeat(PACK))
    },
    outcome: /^(?:200 )?(?:reset|ended)$/,
    counted: 'RESPONSE_STALLED',
    unheldByNode: ALL_AT_ONCE,
  },
  {
    name: 'endless chunk extensions',
    begin: attacker => {
      attacker.send(`${post('/echo', CHUNKED)}1;`).flood('a'.repeat(1_000))
    },
    outcome: /^(?:413 )?(?:reset|ended)$/,
    counted: 'PAYLOAD_TOO_LARGE',
  },
  {
    name: 'endless trailers',
    begin: attacker => {
      attacker.send(`${post('/echo', CHUNKED)}0\r\n`).flood(`A: ${'a'.repeat(997)}\r\n`)
    },
    outcome: /^(?:431 )?(?:reset|ended)$/,
    counted: 'HEADERS_TOO_LARGE',
  },
  {
    name: 'endless head',
    begin: attacker => {
      attacker.send(`GET / HTTP/1.1\r\n${HOST}`).flood(`A: ${'a'.repeat(997)}\r\n`)
    },
    outcome: /^(?:431 )?(?:reset|ended)$/,
    counted: 'HEADERS_TOO_LARGE',
  },
  {
    name: 'endless body in chunks of one byte, read whole',
    begin: attacker => {
      attacker.send(post('/echo', CHUNKED)).flood('1\r\na\r\n'.repeat(PACK))
    },
    outcome: /^(?:4(?:08|13) )?(?:reset|ended)$/,
    unheldByNode: ALL_AT_ONCE,
  },
  {
    name: 'endless body in chunks of one byte, read piece by piece',
    begin: attacker => {
      attacker.send(post('/pieces', CHUNKED)).flood('1\r\na\r\n'.repeat(PACK))
    },
    outcome: /^(?:4(?:08|13) )?(?:reset|ended)$/,
    unheldByNode: ALL_AT_ONCE,
  },
  {
    name: 'endless body that nobody reads',
    begin: attacker => {
      attacker.send(post('/hello', CHUNKED)).flood(`3e8\r\n${'a'.repeat(1_000)}\r\n`)
    },
    outcome: /^(?:200 )?(?:reset|ended)$/,
  },
]
