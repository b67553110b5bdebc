import { describe, expect, it } from 'vitest'
import { formatFunctionEntry, parseFunctionEntry } from '../../src/control-plane/entry-schema.ts'
import { FunctionEntry } from '../../src/control-plane/function-entry.ts'
import type { ManifestInput } from '../../src/function/manifest.ts'
import { checkManifest } from '../../src/function/manifest-schema.ts'

const check = (more: Record<string, unknown>) =>
  checkManifest({ id: 'hello', ...more }, 'class Hello').execution

const EVERYTHING: ManifestInput = {
  id: 'all',
  executor: 'container',
  runtime: 'python',
  command: 'python3 app.py',
  protocol: 'http',
  handlerPort: 3000,
  instances: 2,
  minInstances: 1,
  maxInstances: 4,
  instanceConcurrency: 5,
  rateLimit: 2.5,
  memory: '128MiB',
  cpus: 0.5,
  cpuTime: '1m',
  pids: 32,
  openFiles: 64,
  maxOutput: '1MiB',
  user: 1000,
  network: false,
  sandbox: 'namespaces',
  readOnly: true,
  capabilities: ['NET_BIND_SERVICE'],
  sleep: 'pause',
  healthCheckInterval: '5s',
  healthCheckPath: '/healthz',
}

describe('how a function runs, in its manifest', () => {
  it('is empty where nothing is declared', () => {
    expect(check({})).toEqual({})
  })

  it('keeps what is declared, in bytes, milliseconds and words', () => {
    expect(checkManifest(EVERYTHING, 'all').execution).toEqual({
      executor: 'container',
      runtime: 'python',
      command: ['python3', 'app.py'],
      protocol: 'http',
      handlerPort: 3000,
      instances: 2,
      minInstances: 1,
      maxInstances: 4,
      instanceConcurrency: 5,
      rateLimit: 2.5,
      memoryBytes: 128 * 2 ** 20,
      cpus: 0.5,
      cpuTimeMs: 60_000,
      pids: 32,
      openFiles: 64,
      maxOutputBytes: 2 ** 20,
      user: '1000',
      network: false,
      sandbox: 'namespaces',
      readOnly: true,
      capabilities: ['NET_BIND_SERVICE'],
      sleep: 'pause',
      healthCheckIntervalMs: 5_000,
      healthCheckPath: '/healthz',
    })
  })

  it('is the same after a way through the store', () => {
    const entry = new FunctionEntry(EVERYTHING)
    const read = parseFunctionEntry('fezz/v1/functions/all', formatFunctionEntry(entry))
    expect(read.manifest).toEqual(entry.manifest)
  })

  it.each([
    [{ executor: 'docker' }, 'executor "docker" is not valid; write "in-process" or "thread" or'],
    [{ memory: '1kb' }, 'memory "1kb" is too small; write at least "1MiB"'],
    [{ memory: 'much' }, 'memory "much" is not a size'],
    [{ cpus: 0 }, 'cpus 0 is not valid; write a number of cores, such as 0.5, at least 0.01'],
    [{ cpuTime: '10ms' }, 'cpuTime "10ms" is too short; write at least "1s"'],
    [{ command: [] }, 'command [] is not valid; write a program and its arguments'],
    [{ command: '' }, 'command "" is not valid'],
    [{ user: null }, 'user null is not valid; write a user, or user:group'],
    [{ user: true }, 'user true is not valid'],
    [{ user: ['nobody'] }, "user [ 'nobody' ] is not valid"],
    [{ user: '-x' }, 'user "-x" is not valid; write a user, or user:group'],
    [{ handlerPort: 0 }, 'handlerPort 0 is not valid; write a whole number from 1 to 65535'],
    [{ healthCheckPath: 'x' }, 'healthCheckPath "x" is not valid; write a path'],
    [{ capabilities: ['all!'] }, 'capabilities[0] "all!" is not valid; name a capability'],
    [
      { image: 'x', executor: 'thread' },
      'image needs the executor "container"; executor is "thread"',
    ],
    [{ image: 'x', runtime: 'go' }, 'image and runtime exclude each other; remove one'],
    [{ image: 'x', protocol: 'bootstrap' }, 'protocol "bootstrap" needs the executor "process"'],
    [{ instances: 3, maxInstances: 2 }, 'maxInstances 2 is less than instances 3; raise it'],
    [{ minInstances: 3, maxInstances: 2 }, 'maxInstances 2 is less than minInstances 3; raise it'],
    [{ memmory: 1 }, 'memmory is not a field; did you mean "memory"?'],
  ])('refuses %j', (declared, message) => {
    expect(() => check(declared)).toThrow(`Function "hello" (class Hello): ${message}`)
  })
})
