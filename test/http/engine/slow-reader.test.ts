import { afterEach, describe, expect, it, vi } from 'vitest'
import { EngineListener } from '../../../src/http/engine/engine-listener.ts'
import { FastResponse } from '../../../src/http/web/response.ts'
import { LISTENER_DEFAULTS } from '../listener-defaults.ts'
import { RawClient } from '../raw-client.ts'

/** Much more than the system takes at once. */
const LENGTH = 24 * 1_048_576

const BODIES = {
  text: () => 'x'.repeat(LENGTH),
  bytes: () => new Uint8Array(LENGTH),
  'one chunk of a stream': () =>
    new ReadableStream({
      start(controller) {
        controller.enqueue(new Uint8Array(LENGTH))
        controller.close()
      },
    }),
}

describe('a client that takes its time to read', () => {
  let listener: EngineListener | undefined

  afterEach(() => listener?.close())

  it.each(Object.keys(BODIES) as (keyof typeof BODIES)[])(
    'is not cut while it takes %s',
    async kind => {
      const onRejected = vi.fn()
      listener = new EngineListener({
        ...LISTENER_DEFAULTS,
        responseStallTimeoutMs: 250,
        onRejected,
        fetch: () => new FastResponse(BODIES[kind]()),
      })
      const { port } = await listener.listen()
      const client = await RawClient.connect(port)
      let taken = 0
      client.socket.removeAllListeners('data').on('data', chunk => {
        taken += chunk.length
        client.socket.pause()
        setTimeout(() => client.socket.resume(), 2)
      })
      client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
      await client.untilClosed()
      expect(onRejected).not.toHaveBeenCalled()
      expect(taken).toBeGreaterThan(LENGTH)
    },
  )
})
