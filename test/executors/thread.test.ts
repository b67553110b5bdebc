import { ThreadExecutor } from '../../src/executors/thread/thread-executor.ts'
import { artifactOf } from '../contract/executor-artifacts.ts'
import { describeExecutor } from '../contract/executor-contract.ts'

const KILL_GRACE_MS = 100
const HOOK_TIMEOUT_MS = 1_000

describeExecutor(
  'ThreadExecutor',
  log => ({
    executor: new ThreadExecutor({
      log,
      killGraceMs: KILL_GRACE_MS,
      unloadTimeoutMs: HOOK_TIMEOUT_MS,
    }),
    codeOf: artifactOf,
  }),
  {
    abort: 'a thread has no process.abort()',
    pid: 'a thread has no process of its own',
    memory: 'the limit of a thread is for its heap alone',
  },
)
