import { ProcessExecutor } from '../../../src/executors/process/process-executor.ts'
import { RunFolder } from '../../../src/executors/run-folder.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'
import { artifactOf } from '../../contract/executor-artifacts.ts'
import { describeExecutor } from '../../contract/executor-contract.ts'
import { inNewFolder } from './setup.ts'

const runFolder = await RunFolder.open({
  folder: inNewFolder(),
  log: createLogger({ level: 'silent' }),
})

describeExecutor('ProcessExecutor', log => ({
  executor: new ProcessExecutor({
    log,
    runFolder,
    killGraceMs: 300,
    unloadTimeoutMs: 1_000,
  }),
  codeOf: artifactOf,
}))
