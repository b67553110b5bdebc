import { writeSync } from 'node:fs'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { REPORT_FD, type StuckReport, type WatchdogData, type WatchedFunction } from './protocol.ts'
import { Pulse } from './pulse.ts'
import { stackOfMainThread } from './stuck-stack.ts'

// The thread beside a worker's main thread. It tells over a descriptor of its own, because the
// channel to the supervisor and the standard streams go through the thread that is stuck.

const { beat, stuckTimeoutMs } = workerData as WatchdogData
const beats = new Int32Array(beat)
/** By the folder of the artifact; several functions may share one. */
const watched = new Map<string, Map<string, WatchedFunction>>()
const port = parentPort as MessagePort
const pulse = new Pulse(() => Atomics.load(beats, 0), stuckTimeoutMs)

port.on('message', (functions: readonly WatchedFunction[]) => {
  for (const each of functions) {
    const sharing = watched.get(each.folder) ?? new Map<string, WatchedFunction>()
    watched.set(each.folder, sharing.set(each.functionId, each))
  }
})

let isExamining = false
setInterval(async () => {
  if (isExamining || !pulse.look()) return
  isExamining = true
  const before = Atomics.load(beats, 0)
  const stack = await stackOfMainThread()
  // It may have come to an end meanwhile.
  if (Atomics.load(beats, 0) === before)
    end({ stuckMs: stuckTimeoutMs, stack, functions: functionsIn(stack) })
  isExamining = false
}, pulse.intervalMs)

/** The functions whose artifacts occur in a stack, in the order of its frames. */
function functionsIn(stack: string): WatchedFunction[] {
  return Array.from(watched)
    .map(([folder, sharing]) => ({ at: stack.indexOf(folder), sharing }))
    .filter(({ at }) => at !== -1)
    .sort((one, other) => one.at - other.at)
    .flatMap(({ sharing }) => [...sharing.values()])
}

function end(report: StuckReport): void {
  try {
    writeSync(REPORT_FD, JSON.stringify(report))
  } finally {
    // Nothing else ends a process whose main thread does not listen.
    process.kill(process.pid, 'SIGKILL')
  }
}
