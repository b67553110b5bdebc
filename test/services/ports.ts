import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'

const LOWEST = 10_000

/**
 * TCP ports on 127.0.0.1 that nobody has now. They are not from the range that the system takes
 * for outgoing connections: there a client that calls a stopped server again and again may take
 * its port, or be connected to itself.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const end = await startOfOutgoing()
  const free = new Set<number>()
  while (free.size < count) {
    const port = LOWEST + Math.floor(Math.random() * (end - LOWEST))
    if (await isFree(port)) free.add(port)
  }
  return [...free]
}

/** Whether somebody accepts connections on that port of 127.0.0.1. */
export async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

async function startOfOutgoing(): Promise<number> {
  const range = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => '')
  const start = Number.parseInt(range, 10)
  return start > LOWEST + 1_000 ? start : 32_768
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}
