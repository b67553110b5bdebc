import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { beforeAll, describe, expect, it } from 'vitest'
import { EngineListener } from '../../src/http/engine/engine-listener.ts'
import type { ListenerOptions } from '../../src/http/listener.ts'
import { NodeListener } from '../../src/http/node/node-listener.ts'
import { FastResponse } from '../../src/http/web/response.ts'
import { temporaryFolder } from '../helpers/cli.ts'
import { makeCertificates } from '../services/certificates.ts'
import { LISTENER_DEFAULTS } from './listener-defaults.ts'
import { RawClient } from './raw-client.ts'

const failing = () =>
  new ReadableStream({
    start: controller => controller.enqueue(Buffer.from('begun')),
    pull: () => Promise.reject(new Error('broken')),
  })

describe.each([EngineListener, NodeListener])('a stream of $name that fails', Listener => {
  let folder: string
  let tls: ListenerOptions['tls']

  beforeAll(async () => {
    folder = await temporaryFolder()
    const { serverCert, serverKey } = await makeCertificates(folder)
    tls = { cert: await readFile(serverCert), key: await readFile(serverKey) }
  })

  it.each(['TCP', 'TLS', 'a Unix socket'])(
    'ends the connection of HTTP/1.0 over %s',
    async over => {
      const path = over === 'a Unix socket' ? join(folder, Listener.name) : undefined
      await using listener = new Listener({
        ...LISTENER_DEFAULTS,
        path,
        tls: over === 'TLS' ? tls : undefined,
        fetch: () => new FastResponse(failing()),
      })
      const { port } = await listener.listen()
      const client = new RawClient(
        over === 'TLS'
          ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
          : connect(path === undefined ? { port, host: '127.0.0.1' } : { path }),
      )
      client.send('GET / HTTP/1.0\r\nHost: a\r\n\r\n')
      await client.untilClosed()
      expect(listener.connections).toBe(0)
    },
  )
})
