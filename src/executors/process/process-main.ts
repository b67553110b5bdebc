import { connect, Socket } from 'node:net'
import type { ToHost, ToRunner } from '../channel/messages.ts'
import { runInstance } from '../channel/runner.ts'
import { SocketChannel } from '../channel/socket-channel.ts'
import { CHANNEL_FD, CHANNEL_VARIABLE, COMPILE_CACHE_VARIABLE } from './runner-protocol.ts'

// The process in which node-runner.ts has functions run. It ends with its channel.

const path = process.env[CHANNEL_VARIABLE]
const socket = path === undefined ? new Socket({ fd: CHANNEL_FD }) : connect(path)
// Not for the function, nor for what it starts.
delete process.env[CHANNEL_VARIABLE]
delete process.env[COMPILE_CACHE_VARIABLE]

const channel = new SocketChannel<ToHost, ToRunner>(socket)
void channel.closed.then(() => process.exit())
runInstance(channel)
