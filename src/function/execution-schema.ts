import * as z from '../schema.ts'
import { oneOf, reads, says, text, whole } from '../schema.ts'
import { show } from '../show.ts'
import { parseDuration, parseSize } from '../units.ts'
import {
  EXECUTOR_KINDS,
  type Execution,
  PROGRAM_PROTOCOLS,
  SANDBOXES,
  SLEEPS,
} from './execution.ts'

const MAX_INSTANCES = 1_000

/** A duration of at least `shortest`, in milliseconds. */
export function duration(shortest: string) {
  return reads((input: number | string) => {
    const durationMs = parseDuration(input)
    if (durationMs >= parseDuration(shortest) && durationMs > 0) return durationMs
    throw new RangeError(`${show(input)} is too short; write at least "${shortest}"`)
  })
}

function size(smallest: string) {
  return reads((input: number | string) => {
    const sizeBytes = parseSize(input)
    if (sizeBytes >= parseSize(smallest)) return sizeBytes
    throw new RangeError(`${show(input)} is too small; write at least "${smallest}"`)
  })
}

/** A number that is not so small that whoever holds it rounds it to nothing, which is no limit. */
function amount(what: string, least: number) {
  return reads((input: number) => {
    if (typeof input === 'number' && Number.isFinite(input) && input >= least) return input
    throw new RangeError(says(`write a number of ${what}, at least ${least}`)({ input }))
  })
}

const toggle = z.boolean({ error: says('write true or false') })

const command = reads((input: unknown): readonly string[] => {
  const words = typeof input === 'string' ? input.trim().split(/\s+/) : input
  const isCommand =
    Array.isArray(words) &&
    words.every(word => typeof word === 'string' && !word.includes('\0')) &&
    words[0] !== undefined &&
    words[0] !== ''
  if (isCommand) return Object.freeze([...words])
  throw new RangeError(
    says('write a program and its arguments, such as ["node", "app.js"]')({ input }),
  )
})

const user = reads((input: unknown): string => {
  const name = Number.isInteger(input) ? String(input) : input
  const isName = typeof name === 'string'
  if (isName && /^(?:\d{1,10}|[a-z_][\w-]{0,31})(?::(?:\d{1,10}|[a-z_][\w-]{0,31}))?$/i.test(name))
    return name
  throw new RangeError(says('write a user, or user:group, such as "nobody" or 1000')({ input }))
})

/** The fields of a declaration that say how a function runs, under the names people write. */
export const executionFields = {
  executor: z.optional(oneOf(EXECUTOR_KINDS)),
  runtime: z.optional(text(/^[a-z][a-z\d-]{0,31}$/, 'name a runtime, such as "python"')),
  image: z.optional(
    text(/^[a-z\d]\S{0,511}$/i, 'name an image, such as "registry.example.com/team/app:1.2"'),
  ),
  command: z.optional(command),
  protocol: z.optional(oneOf(PROGRAM_PROTOCOLS)),
  handlerPort: z.optional(whole(1, 65_535)),
  instances: z.optional(whole(1, MAX_INSTANCES)),
  minInstances: z.optional(whole(0, MAX_INSTANCES)),
  maxInstances: z.optional(whole(1, MAX_INSTANCES)),
  instanceConcurrency: z.optional(whole(1, 100_000)),
  rateLimit: z.optional(amount('requests per second', 0.001)),
  memory: z.optional(size('1MiB')),
  cpus: z.optional(amount('cores, such as 0.5', 0.01)),
  cpuTime: z.optional(duration('1s')),
  pids: z.optional(whole(1, 1_000_000)),
  openFiles: z.optional(whole(16, 1_000_000)),
  maxOutput: z.optional(size('1B')),
  user: z.optional(user),
  network: z.optional(toggle),
  sandbox: z.optional(oneOf(SANDBOXES)),
  readOnly: z.optional(toggle),
  capabilities: z.optional(
    z.array(text(/^[A-Z_]{3,40}$/, 'name a capability, such as "NET_BIND_SERVICE"'), {
      error: says('write a list, such as ["NET_BIND_SERVICE"]'),
    }),
  ),
  sleep: z.optional(oneOf(SLEEPS)),
  healthCheckInterval: z.optional(duration('100ms')),
  healthCheckPath: z.optional(text(/^\/[!-~]*$/, 'write a path, such as "/healthz"')),
}

type Declared = {
  [Name in keyof typeof executionFields]?: z.Output<(typeof executionFields)[Name]>
}

/**
 * What was declared, under names with units, once its parts agree with each other.
 *
 * @param refuse makes the error out of the problem
 */
export function checkExecution(declared: Declared, refuse: (problem: string) => Error): Execution {
  const { memory, cpuTime, maxOutput, healthCheckInterval, ...same } = declared
  const execution = withoutUndefined({
    ...same,
    memoryBytes: memory,
    cpuTimeMs: cpuTime,
    maxOutputBytes: maxOutput,
    healthCheckIntervalMs: healthCheckInterval,
  })
  const problem = conflictIn(execution)
  if (problem !== undefined) throw refuse(problem)
  return Object.freeze(execution)
}

function conflictIn(execution: Execution): string | undefined {
  const { executor, image, runtime, protocol, instances = 1 } = execution
  const { minInstances = 0, maxInstances = Number.POSITIVE_INFINITY } = execution
  if (image !== undefined && executor !== undefined && executor !== 'container') {
    return `image needs the executor "container"; executor is "${executor}"`
  }
  if (image !== undefined && runtime !== undefined) {
    return `image and runtime exclude each other; remove one`
  }
  if (protocol === 'bootstrap' && (image !== undefined || executor === 'container')) {
    return `protocol "bootstrap" needs the executor "process"; what is in a container serves HTTP`
  }
  if (Math.max(instances, minInstances) > maxInstances) {
    return `maxInstances ${maxInstances} is less than ${instances > maxInstances ? `instances ${instances}` : `minInstances ${minInstances}`}; raise it`
  }
  return undefined
}

function withoutUndefined(
  fields: { readonly [Name in keyof Execution]: Execution[Name] | undefined },
): Execution {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
