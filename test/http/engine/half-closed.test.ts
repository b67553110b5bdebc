import { afterEach, describe, expect, it } from 'vitest'
import { EngineListener } from '../../../src/http/engine/engine-listener.ts'
import type { FetchHandler } from '../../../src/http/listener.ts'
import { FastResponse } from '../../../src/http/web/response.ts'
import { LISTENER_DEFAULTS } from '../listener-defaults.ts'
import { RawClient, statusesIn } from '../raw-client.ts'

const HEAD = 'Host: example.com\r\n'
const GET = `GET / HTTP/1.1\r\n${HEAD}\r\n`
const post = (length: number, body: string) =>
  `POST / HTTP/1.1\r\n${HEAD}Content-Length: ${length}\r\n\r\n${body}`

describe('a client that has closed its writing side', () => {
  let listener: EngineListener | undefined

  afterEach(() => listener?.close())

  /** Sends `bytes` and the end; resolves with all that came back. */
  async function answerTo(bytes: string, fetch: FetchHandler): Promise<string> {
    listener = new EngineListener({ ...LISTENER_DEFAULTS, fetch })
    const { port } = await listener.listen()
    const client = await RawClient.connect(port)
    client.send(bytes).socket.end()
    const received = await client.untilClosed()
    expect(listener.connections).toBe(0)
    return received
  }

  const later: FetchHandler = async () => {
    await new Promise(resolve => setTimeout(resolve, 50))
    return new FastResponse('late')
  }

  it('gets the answers to all that it has sent', async () => {
    const received = await answerTo(GET.repeat(40), later)
    expect(statusesIn(received)).toEqual(new Array(40).fill(200))
    expect(received).toMatch(/connection: close\r\n[\s\S]*\r\n\r\nlate$/)
  })

  it('gets the answer to a whole body that is read a piece at a time', async () => {
    const received = await answerTo(post(300_000, 'x'.repeat(300_000)), async request => {
      let length = 0
      for await (const chunk of request.body!) {
        length += chunk.length
        await new Promise(resolve => setTimeout(resolve, 5))
      }
      return new FastResponse(`read ${length}`)
    })
    expect(received).toMatch(/\r\n\r\nread 300000$/)
  })

  it('does not keep its connection once a large body in memory is sent', async () => {
    // More than the system takes at once.
    const body = new Uint8Array(16 * 1_048_576).fill(0x62)
    const received = await answerTo(GET, () => new FastResponse(body))
    expect(received.slice(received.indexOf('\r\n\r\n') + 4).length).toBe(body.length)
  })

  it.each([
    ['a head', 'GET / HTTP/1.1\r\nHost: '],
    ['a body', post(10, 'half')],
    ['a head behind requests that wait', `${GET.repeat(20)}GET / HTTP/1.1\r\nHost: `],
    ['a body behind requests that wait', `${GET.repeat(20)}${post(10, 'half')}`],
  ])('is refused at once after half of %s', async (_, bytes) => {
    const received = await answerTo(bytes, request =>
      request.method === 'GET'
        ? later(request)
        : request.text().then(text => new FastResponse(text)),
    )
    const good = bytes.split('\r\n\r\nGET').length - 1
    expect(statusesIn(received).at(-1)).toBe(400)
    expect(statusesIn(received).length).toBeGreaterThan(good)
  })

  it('gets an early answer that was given in the middle of its body', async () => {
    const received = await answerTo(post(10, 'half'), () => new FastResponse('early'))
    expect(received).toMatch(/\r\n\r\nearly$/)
  })
})
