import { tmpdir } from 'node:os'
import { describe } from 'vitest'
import { artifactOf } from '../../contract/executor-artifacts.ts'
import { describeExecutor } from '../../contract/executor-contract.ts'
import { testImage } from '../../services/images.ts'
import { hasPodman, podmanService } from '../../services/podman-service.ts'
import { Containers } from './container-setup.ts'

const KILL_GRACE_MS = 500
const HOOK_TIMEOUT_MS = 2_000

describe.skipIf(!(await hasPodman()))('with podman', () => {
  describeExecutor(
    'ContainerExecutor',
    async log => {
      const containers = await Containers.open({
        log,
        nodeImage: await testImage(await podmanService(), 'node'),
        // Where the fixtures write down what happens to them.
        binds: [`${tmpdir()}:${tmpdir()}`],
        killGraceMs: KILL_GRACE_MS,
        unloadTimeoutMs: HOOK_TIMEOUT_MS,
      })
      return {
        executor: containers.executor,
        codeOf: artifactOf,
        close: () => containers[Symbol.asyncDispose](),
      }
    },
    { pid: 'a container has numbers of its own for its processes' },
  )
})
