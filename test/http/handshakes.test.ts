import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { beforeAll, describe, expect, it } from 'vitest'
import { EngineListener } from '../../src/http/engine/engine-listener.ts'
import type { ListenerTls } from '../../src/http/listener.ts'
import { NodeListener } from '../../src/http/node/node-listener.ts'
import { FastResponse } from '../../src/http/web/response.ts'
import { temporaryFolder } from '../helpers/cli.ts'
import { makeCertificates } from '../services/certificates.ts'
import { LISTENER_DEFAULTS } from './listener-defaults.ts'

describe.each([EngineListener, NodeListener])('close of $name over TLS', Listener => {
  let tls: ListenerTls

  beforeAll(async () => {
    const { serverCert, serverKey } = await makeCertificates(await temporaryFolder())
    tls = { cert: await readFile(serverCert), key: await readFile(serverKey) }
  })

  it('does not wait for a client that says nothing in its handshake', async () => {
    await using listener = new Listener({
      ...LISTENER_DEFAULTS,
      tls,
      fetch: () => new FastResponse('x'),
    })
    const { port } = await listener.listen()
    const silent = connect(port, '127.0.0.1').on('error', () => {})
    await once(silent, 'connect')
    // A whole handshake of another one: the first connection is known to the server by then.
    const other = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    other.on('error', () => {})
    await once(other, 'secureConnect')
    const closed = [once(silent, 'close'), once(other, 'close')]
    other.resume()
    silent.resume()
    await listener.close()
    await Promise.all(closed)
    expect(listener.connections).toBe(0)
  })
})
