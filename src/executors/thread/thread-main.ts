import { type MessagePort, workerData } from 'node:worker_threads'
import { MessagePortChannel } from '../channel/message-port-channel.ts'
import type { ToHost, ToRunner } from '../channel/messages.ts'
import { runInstance } from '../channel/runner.ts'

// The entry of a worker thread; worker-thread.ts starts it.
runInstance(new MessagePortChannel<ToHost, ToRunner>(workerData as MessagePort))
