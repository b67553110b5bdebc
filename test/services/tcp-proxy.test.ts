import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { startTcpProxy, type TcpProxy } from '../helpers/tcp-proxy.ts'

let echo: Server
let proxy: TcpProxy

beforeEach(async () => {
  echo = createServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  proxy = await startTcpProxy({ port: (echo.address() as AddressInfo).port })
})

afterEach(async () => {
  await proxy[Symbol.asyncDispose]()
  echo.close()
})

it('passes on what is sent, and counts it', async () => {
  const socket = await open()
  socket.write('hello')
  expect(await heard(socket)).toBe('hello')
  expect(proxy).toMatchObject({ connections: 1, open: 1, bytesUp: 5, bytesDown: 5 })
  socket.end()
  await once(socket, 'close')
  await vi.waitFor(() => expect(proxy.open).toBe(0))
})

it('passes on more than fits into any buffer', async () => {
  const socket = await open()
  let bytes = 0
  socket.on('data', chunk => {
    bytes += chunk.length
  })
  socket.end(Buffer.alloc(20 << 20))
  await once(socket, 'end')
  expect(bytes).toBe(20 << 20)
})

it('resets all connections and refuses new ones while it is cut', async () => {
  const socket = await open()
  const failed = once(socket, 'error')
  const { port } = proxy
  await proxy.cut()
  expect(await failed).toMatchObject([{ code: 'ECONNRESET' }])
  await expect(open()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  await proxy.heal()
  expect(proxy.port).toBe(port)
  const next = await open()
  next.write('again')
  expect(await heard(next)).toBe('again')
})

it('passes nothing on while it is frozen, and all of it after', async () => {
  const before = await open()
  before.write('a')
  expect(await heard(before)).toBe('a')
  proxy.freeze()
  const during = await open()
  before.write('b')
  during.write('c')
  // Through the same event loop: had it been passed on, it would have come back before this does.
  const socket = connect((echo.address() as AddressInfo).port, '127.0.0.1')
  socket.write('direct')
  expect(await heard(socket)).toBe('direct')
  socket.destroy()
  expect(proxy.bytesUp).toBe(1)
  proxy.thaw()
  expect(await Promise.all([heard(before), heard(during)])).toEqual(['b', 'c'])
})

it('resets its client when nothing listens behind it', async () => {
  echo.close()
  const ended = once(connect(proxy.port, '127.0.0.1'), 'end')
  await expect(ended).rejects.toMatchObject({ code: 'ECONNRESET' })
})

async function open(): Promise<Socket> {
  const socket = connect(proxy.port, '127.0.0.1')
  await once(socket, 'connect')
  // The proxy resets what a test leaves open.
  socket.on('error', () => {})
  return socket
}

async function heard(socket: Socket): Promise<string> {
  const [data] = await once(socket, 'data')
  return String(data)
}
