import { functionOfCurrentScope } from '../../src/executors/in-process/function-scope.ts'
import { InProcessExecutor } from '../../src/executors/in-process/in-process-executor.ts'
import { checkManifest } from '../../src/function/manifest-schema.ts'
import { createLogger } from '../../src/telemetry/logger.ts'

/**
 * A program of its own, for a test runner has handlers of its own: it prints a line for each error
 * that reaches the process, with the function it is attributed to.
 */
const report = (kind: string) => (error: unknown) => {
  const reference = functionOfCurrentScope()
  process.stdout.write(`${kind} ${(error as Error).message} ${reference?.functionId ?? 'nobody'}\n`)
}
process.on('unhandledRejection', report('rejection'))
process.on('uncaughtException', report('exception'))

const executor = new InProcessExecutor({
  evaluate: async () => {
    setTimeout(() => {
      throw new Error('at the top of the module')
    }, 1)
    return { exports: { default: () => new Response() }, dispose() {} }
  },
  log: createLogger({ level: 'silent' }),
})

class Careless {
  onLoad() {
    setTimeout(() => {
      throw new Error('in a timer of onLoad')
    }, 1)
  }

  async fetch() {
    await null
    Promise.reject(new Error('after an await'))
    setTimeout(() => Promise.reject(new Error('in a timer of fetch')), 1)
    return new Response()
  }

  onUnload() {
    queueMicrotask(() => {
      throw new Error('in a microtask of onUnload')
    })
  }
}

const careless = await executor.load({
  manifest: checkManifest({ id: 'careless' }, 'class Careless'),
  code: { kind: 'live', value: Careless, webTypes: 'fezz' },
  env: {},
})
await executor.load({
  manifest: checkManifest({ id: 'evaluated' }, 'evaluated.ts'),
  code: { kind: 'artifact', sha256: '', folder: '', exportName: 'default', entry: '' },
  env: {},
})
await careless.fetch(new Request('http://localhost/'), {} as never)
await careless.unload()
Promise.reject(new Error('of the host'))
