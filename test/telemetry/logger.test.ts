import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { createLogger, type LoggerOptions } from '../../src/telemetry/logger.ts'

/** A logger and the lines it has written. */
function capture(options: LoggerOptions = {}) {
  const lines: string[] = []
  const log = createLogger({ ...options, destination: { write: line => lines.push(line) } })
  return { log, lines, last: () => JSON.parse(lines.at(-1)!) }
}

describe('a line', () => {
  it('is one JSON object with level, time, message and fields', () => {
    const { log, lines, last } = capture()
    log.child({ functionId: 'hello' }).info({ requestId: 'r1', note: 'a\nb' }, 'loaded')
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^[^\n]+\n$/)
    expect(last()).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      functionId: 'hello',
      requestId: 'r1',
      note: 'a\nb',
      msg: 'loaded',
    })
  })

  it('is left out below the level', () => {
    const { log, lines } = capture({ level: 'warn' })
    log.info('no')
    log.warn('yes')
    expect(lines).toHaveLength(1)
    expect(log.isLevelEnabled('info')).toBe(false)
    expect(log.isLevelEnabled('error')).toBe(true)
  })

  it('is text for people in the pretty format', () => {
    const { log, lines } = capture({ format: 'pretty' })
    log.info({ functionId: 'hello' }, 'loaded')
    expect(lines.join('')).toMatch(/INFO.*loaded.*hello/s)
    expect(lines.join('')).not.toContain('{"level"')
  })

  it.each([
    ['at the top', { env: { KEY: 's3cret' } }],
    ['in an object', { manifest: { env: { KEY: 's3cret' } } }],
    ['two objects down', { deployment: { manifest: { id: 'hello', env: { KEY: 's3cret' } } } }],
  ])('never shows values of env %s', (_, fields) => {
    for (const format of ['json', 'pretty'] as const) {
      const { log, lines } = capture({ format })
      log.info(fields, 'line')
      log.child(fields).info('child')
      expect(lines.join('')).not.toContain('s3cret')
      expect(lines.join('')).toContain('[redacted]')
    }
  })
})

describe('an error', () => {
  it('has type, message, code, stack and its causes, and nothing else of its own', () => {
    const { log, last } = capture()
    const cause = Object.assign(new TypeError('inner'), { code: 'ECONNRESET', env: 's3cret' })
    log.error({ err: new Error('outer', { cause }) }, 'failed')
    expect(last().err).toEqual({
      type: 'Error',
      message: 'outer',
      stack: expect.stringContaining('logger.test.ts'),
      cause: {
        type: 'TypeError',
        message: 'inner',
        code: 'ECONNRESET',
        stack: expect.stringContaining('TypeError: inner'),
      },
    })
  })

  it('has its stacks rewritten, the causes too', () => {
    const { log, last } = capture({ mapStack: stack => stack.split('\n')[0]!.toUpperCase() })
    log.error({ err: new Error('outer', { cause: new Error('inner') }) }, 'failed')
    expect(last().err.stack).toBe('ERROR: OUTER')
    expect(last().err.cause.stack).toBe('ERROR: INNER')
  })

  it('keeps its stack when the rewriting throws', () => {
    const { log, last } = capture({
      mapStack() {
        throw new Error('no map')
      },
    })
    log.error({ err: new Error('outer') }, 'failed')
    expect(last().err.stack).toContain('Error: outer')
  })

  it('may throw when it is read', () => {
    const { log, last } = capture()
    const trap = () => {
      throw new Error('trap')
    }
    log.error({ err: new Proxy({}, { getPrototypeOf: trap, get: trap }) }, 'failed')
    expect(last()).toMatchObject({ msg: 'failed', err: { type: 'object' } })
    log.error({ err: Object.defineProperty(new Error('x'), 'stack', { get: trap }) }, 'failed')
    expect(last()).toMatchObject({ msg: 'failed', err: { type: 'object' } })
    const outer = new Error('outer', {
      cause: Object.defineProperty(new Error(), 'name', { get: trap }),
    })
    log.error({ err: outer }, 'failed')
    expect(last().err).toMatchObject({ message: 'outer', cause: { type: 'object' } })
  })

  it('may be its own cause', () => {
    const { log, last } = capture()
    const error = new Error('loop')
    error.cause = error
    log.error({ err: error }, 'failed')
    expect(last().err.cause.cause.message).toBe('loop')
  })

  it('of several kinds shows each', () => {
    const { log, last } = capture()
    log.error({ err: new AggregateError([new Error('a'), new RangeError('b')]) }, 'failed')
    expect(last().err.errors.map((each: { message: string }) => each.message)).toEqual(['a', 'b'])
  })

  it.each([
    ['a string', 'boom', { type: 'string', message: 'boom' }],
    ['null', null, { type: 'null', message: 'null' }],
    [
      'an object without a prototype',
      Object.create(null),
      { type: 'object', message: '[object Object]' },
    ],
  ])('may be %s', (_, thrown, expected) => {
    const { log, last } = capture()
    log.error({ err: thrown }, 'failed')
    expect(last().err).toEqual(expected)
  })
})

describe('standard output', () => {
  const logger = new URL('../../src/telemetry/logger.ts', import.meta.url).href

  it('has every line, in order, when the process exits at once', () => {
    const { stdout, status } = spawnSync(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { createLogger } from '${logger}'
         const log = createLogger()
         for (let i = 0; i < 5000; i++) log.info({ i }, 'line')
         process.exit(3)`,
      ],
      { encoding: 'utf8', maxBuffer: 1e8 },
    )
    expect(status).toBe(3)
    const lines = stdout.trimEnd().split('\n')
    expect(lines.map(line => JSON.parse(line).i)).toEqual(Array.from({ length: 5000 }, (_, i) => i))
  })

  it('has the last line of a process that crashes', () => {
    const { stdout } = spawnSync(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { createLogger } from '${logger}'
         createLogger().info('last words')
         throw new Error('crash')`,
      ],
      { encoding: 'utf8' },
    )
    expect(stdout).toContain('last words')
  })
})
