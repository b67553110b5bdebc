import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type CliHost, serve, temporaryFolder } from '../helpers/cli.ts'

const FUNCTIONS = resolve(import.meta.dirname, 'functions')

interface Gates {
  readonly folder: string
  open(name: string): Promise<void>
}

async function gates(): Promise<Gates> {
  const folder = await temporaryFolder()
  return { folder, open: name => writeFile(join(folder, name), '') }
}

function serveFunctions(
  names: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CliHost> {
  const files = names.map(name => join(FUNCTIONS, `${name}.ts`))
  return serve(files, { env })
}

/** Of the line of `faulty.ts` that holds `text`. */
async function placeOf(file: string, text: string): Promise<string> {
  const path = join(FUNCTIONS, file)
  const lines = (await readFile(path, 'utf8')).split('\n')
  return `${path}:${lines.findIndex(line => line.includes(text)) + 1}:`
}

describe('the life of a function', () => {
  it('is Unloaded, Loading, Ready, Unloading, Unloaded', async () => {
    const { folder, open } = await gates()
    await using host = await serveFunctions(['gated'], {
      FEZZ_IDLE_TTL: '100ms',
      FEZZ_ENV_GATES: folder,
    })
    const state = async () => (await host.states())['gated']
    expect(await state()).toBe('Unloaded')
    const answer = host.get('/gated')
    await expect.poll(state).toBe('Loading')
    await open('load')
    await expect.poll(state).toBe('Ready')
    await open('fetch')
    expect(await answer).toBe('answered')
    await expect.poll(state).toBe('Unloading')
    await open('unload')
    await expect.poll(state).toBe('Unloaded')
    expect(await host.get('/gated')).toBe('answered')
  })

  it('does not end by the idle sweep while a request is served', async () => {
    const { folder, open } = await gates()
    await open('load')
    await open('unload')
    await using host = await serveFunctions(['gated', 'quick'], {
      FEZZ_IDLE_TTL: '100ms',
      FEZZ_ENV_GATES: folder,
    })
    const answer = host.get('/gated')
    await host.line(({ functionId }) => functionId === 'gated')
    // Another function comes and goes twice: sweeps have been made all along.
    for (const round of [1, 2]) {
      await host.get('/quick')
      await host.someLines(
        round,
        ({ functionId, reason }) => functionId === 'quick' && reason === 'idle',
      )
    }
    expect(host.linesOf('gated', 'function unloaded')).toEqual([])
    await open('fetch')
    expect(await answer).toBe('answered')
    await host.line(({ functionId, reason }) => functionId === 'gated' && reason === 'idle')
  })

  it('begins once for 200 requests at once, and ends once', async () => {
    await using host = await serveFunctions(['quick'])
    const answers = await Promise.all(Array.from({ length: 200 }, () => host.get('/quick')))
    expect(new Set(answers)).toEqual(new Set(['quick']))
    expect(host.linesOf('quick', 'onLoad ran')).toHaveLength(1)
    expect(await host.stop()).toEqual({ code: 0, signal: null })
    expect(host.linesOf('quick', 'onLoad ran')).toHaveLength(1)
    expect(host.linesOf('quick', 'onUnload ran')).toHaveLength(1)
  })

  it('begins with its first request: no code of it runs in the host before', async () => {
    const file = join(await temporaryFolder(), 'evaluations')
    const evaluations = async () => (await readFile(file, 'utf8').catch(() => '')).length
    const env = {
      EVALUATIONS: file,
      FEZZ_CACHE_DIR: await temporaryFolder(),
    }
    {
      await using host = await serveFunctions(['evaluated'], env)
      // Once for its manifest, when it was built.
      expect(await evaluations()).toBe(1)
      await host.get('/_metrics')
      expect((await host.fetch('/elsewhere')).status).toBe(404)
      expect((await host.fetch('/evaluated', { method: 'PUT' })).status).toBe(405)
      expect(await evaluations()).toBe(1)
      await host.get('/evaluated')
      expect(await evaluations()).toBe(2)
    }
    await using host = await serveFunctions(['evaluated'], env)
    expect(await host.states()).toEqual({ evaluated: 'Unloaded' })
    expect(await evaluations()).toBe(2)
  })

  it('begins before the first request with preload, and the host lives through what it throws', async () => {
    await using host = await serveFunctions(['preloaded'])
    expect(await host.states()).toEqual({ preloaded: 'Ready' })
    const rejection = host.linesOf('preloaded', 'unhandled rejection')
    expect(rejection).toMatchObject([{ err: { message: 'a stray rejection while loading' } }])
    expect(await host.get('/preloaded')).toBe('preloaded')
    expect(host.linesOf('preloaded', 'onLoad ran')).toHaveLength(1)
  })
})

describe('a function that fails', () => {
  it('in onLoad: 503 with Retry-After, never its reason, and it recovers by itself', async () => {
    const { folder, open } = await gates()
    await using host = await serveFunctions(['fragile'], { FEZZ_ENV_GATES: folder })
    const response = await host.fetch('/fragile')
    const text = await response.text()
    expect(response.status).toBe(503)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(JSON.parse(text)).toMatchObject({ code: 'FUNCTION_LOAD_FAILED', status: 503 })
    expect(text).not.toContain('secret')
    const failed = await host.line(({ msg }) => msg === 'load failed')
    expect(failed).toMatchObject({ err: { message: 'the secret database is down' } })
    await open('load')
    await expect.poll(async () => (await host.fetch('/fragile')).status).toBe(200)
  })

  it('in fetch: 500 with a request id, and the reason with its place in the log alone', async () => {
    await using host = await serveFunctions(['faulty'])
    const headers = { 'x-request-id': 'ticket-1' }
    const response = await host.fetch('/faulty/throw', { headers })
    const text = await response.text()
    expect(response.status).toBe(500)
    expect(response.headers.get('x-request-id')).toBe('ticket-1')
    expect(JSON.parse(text)).toMatchObject({ code: 'FUNCTION_ERROR', requestId: 'ticket-1' })
    expect(text).not.toContain('secret')

    const line = await host.line(({ requestId }) => requestId === 'ticket-1')
    expect(line).toMatchObject({
      level: 'error',
      functionId: 'faulty',
      err: { type: 'TypeError', cause: { message: 'the secret cause' } },
    })
    const { stack } = line['err'] as { stack: string }
    expect(stack.split('\n')[1]).toContain(await placeOf('faulty.ts', 'throw new TypeError'))
  })

  it.each([
    ['reject', 'unhandled rejection', 'nobody catches this', 'void Promise.reject'],
    ['timer', 'uncaught exception', 'thrown in a timer', "Error('thrown in a timer')"],
  ])(
    'where nobody can catch it (%s): logged with its id, and the host lives',
    async (how, msg, message, code) => {
      await using host = await serveFunctions(['faulty'])
      expect(await host.get(`/faulty/${how}`)).toBe('fine')
      const line = await host.line(line => line.msg === msg)
      expect(line).toMatchObject({ level: 'error', functionId: 'faulty', err: { message } })
      const { stack } = line['err'] as { stack: string }
      expect(stack).toContain(await placeOf('faulty.ts', code))
      expect(await host.get('/faulty/not-at-all')).toBe('fine')
    },
  )

  it('by what it returns: 500', async () => {
    await using host = await serveFunctions(['faulty'])
    const response = await host.fetch('/faulty/not-a-response')
    expect(response.status).toBe(500)
    expect(await response.json()).toMatchObject({ code: 'FUNCTION_ERROR' })
  })
})

describe('a function with a limit', () => {
  it('that does not answer in time: 504, and it is told', async () => {
    await using host = await serveFunctions(['limited'])
    const response = await host.fetch('/late')
    expect(response.status).toBe(504)
    expect(await response.json()).toMatchObject({ code: 'FUNCTION_TIMEOUT' })
    await host.line(({ msg }) => msg === 'told of the deadline')
  })

  it('that has as many requests as it takes: 429 with Retry-After for the next', async () => {
    const { folder, open } = await gates()
    await using host = await serveFunctions(['limited'], {
      FEZZ_ENV_GATES: folder,
      FEZZ_MAX_QUEUE: '1',
      FEZZ_QUEUE_TIMEOUT: '20s',
    })
    const first = host.get('/single')
    await host.line(({ msg }) => msg === 'request arrived')
    // One more may wait; whichever comes after it is turned away.
    const others = [host.fetch('/single'), host.fetch('/single')]
    const refused = await Promise.race(others)
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    expect(await refused.json()).toMatchObject({ code: 'TOO_MANY_REQUESTS' })
    await open('single')
    expect(await first).toBe('served')
    const statuses = (await Promise.all(others)).map(({ status }) => status)
    expect(statuses.sort()).toEqual([200, 429])
  })
})
