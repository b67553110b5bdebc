import { afterEach, describe, expect, it } from 'vitest'
import { EngineListener } from '../../../src/http/engine/engine-listener.ts'
import type { FetchHandler } from '../../../src/http/listener.ts'
import { FastResponse } from '../../../src/http/web/response.ts'
import { LISTENER_DEFAULTS } from '../listener-defaults.ts'
import { RawClient, statusesIn } from '../raw-client.ts'

const ASKING = 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n'

describe('Expect: 100-continue', () => {
  let listener: EngineListener | undefined

  afterEach(() => listener?.close())

  async function connect(fetch: FetchHandler): Promise<RawClient> {
    listener = new EngineListener({ ...LISTENER_DEFAULTS, fetch })
    const { port } = await listener.listen()
    return RawClient.connect(port)
  }

  it('is told to a client whose body is to become the answer, before the head of that', async () => {
    const client = await connect(request => new FastResponse(request.body))
    await client.send(ASKING).untilReceived('100 Continue\r\n\r\n')
    const received = await client.send('body').untilClosed()
    expect(statusesIn(received)).toEqual([100, 200])
    expect(received).toMatch(/\r\n\r\nbody$/)
  })

  it('waits for its turn behind the answers before it', async () => {
    const first = Promise.withResolvers<void>()
    const called = Promise.withResolvers<void>()
    const client = await connect(async request => {
      if (request.method === 'GET') return first.promise.then(() => new FastResponse('first'))
      called.resolve()
      return new FastResponse(await request.text())
    })
    client.send(`GET / HTTP/1.1\r\nHost: a\r\n\r\n${ASKING}`)
    await called.promise
    expect(client.received).toBe('')
    first.resolve()
    await client.untilReceived('100 Continue\r\n\r\n')
    client.send('body')
    expect(statusesIn(await client.untilReceived('\r\n\r\nbody'))).toEqual([200, 100, 200])
  })
})
