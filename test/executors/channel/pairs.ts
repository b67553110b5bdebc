import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { MessageChannel } from 'node:worker_threads'
import { onTestFinished } from 'vitest'
import type { Channel } from '../../../src/executors/channel/channel.ts'
import { MessagePortChannel } from '../../../src/executors/channel/message-port-channel.ts'
import { SocketChannel } from '../../../src/executors/channel/socket-channel.ts'

/** Both ends of a channel; closed when the test is over. */
export interface ChannelPair<A, B> {
  readonly near: Channel<A, B>
  readonly far: Channel<B, A>
}

export function portPair<A, B>(): ChannelPair<A, B> {
  const { port1, port2 } = new MessageChannel()
  return closedAfterwards({
    near: new MessagePortChannel<A, B>(port1),
    far: new MessagePortChannel<B, A>(port2),
  })
}

/** Both ends of a TCP connection. */
export async function sockets(): Promise<readonly [Socket, Socket]> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const near = connect(port, '127.0.0.1')
  const [[far]] = await Promise.all([accepted, once(near, 'connect')])
  server.close()
  onTestFinished(() => {
    near.destroy()
    far.destroy()
  })
  return [near, far]
}

export async function socketPair<A, B>(): Promise<ChannelPair<A, B>> {
  const [near, far] = await sockets()
  return closedAfterwards({
    near: new SocketChannel<A, B>(near),
    far: new SocketChannel<B, A>(far),
  })
}

function closedAfterwards<A, B>(pair: ChannelPair<A, B>): ChannelPair<A, B> {
  onTestFinished(async () => {
    pair.near.close()
    pair.far.close()
    await Promise.all([pair.near.closed, pair.far.closed])
  })
  return pair
}

/** The next `count` messages of a channel that nobody reads yet. */
export function take<T>(channel: Channel<never, T>, count: number): Promise<T[]> {
  const messages: T[] = []
  return new Promise(resolve => {
    channel.receive(message => {
      if (messages.push(message) === count) resolve(messages)
    })
  })
}
