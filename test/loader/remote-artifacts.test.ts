import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openArtifactStore } from '../../src/loader/artifact-stores/open.ts'
import { evaluateArtifact } from '../../src/loader/evaluate.ts'
import { sha256Of } from '../../src/loader/inputs.ts'
import { RemoteArtifacts, type RemoteArtifactsOptions } from '../../src/loader/remote-artifacts.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { FakeClock, settled } from '../helpers/fake-clock.ts'
import { ArtifactServer } from './artifact-server.ts'

const MAP = '{"version":3,"sources":["a.ts"],"mappings":"AAAA"}'

let folder: string
let server: ArtifactServer
let lines: string[]
const opened = new Set<RemoteArtifacts>()

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fezz-remote-'))
  server = await ArtifactServer.start()
  lines = []
})

afterEach(async () => {
  for (const artifacts of opened) await artifacts.close()
  opened.clear()
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

function open(options: Partial<RemoteArtifactsOptions> = {}): RemoteArtifacts {
  const log = createLogger({ level: 'debug', destination: { write: line => lines.push(line) } })
  const store = openArtifactStore(server.url)
  const artifacts = new RemoteArtifacts({ folder, store, log, ...options })
  opened.add(artifacts)
  return artifacts
}

/** Puts a bundle on the server. */
function publish(text = 'exports.default = 42', map?: string) {
  const sha256 = sha256Of(text)
  server.files.set(`/${sha256}/bundle.cjs`, Buffer.from(text))
  if (map !== undefined) server.files.set(`/${sha256}/bundle.cjs.map`, Buffer.from(map))
  return { sha256, exportName: 'default' }
}

const pathOf = (sha256: string) => `/${sha256}/bundle.cjs`
const names = (path = folder) => readdir(path).then(all => all.sort())
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail('it should have failed'),
    error => error,
  )

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`it never happened: ${holds}`)
    await sleep(5)
  }
}

describe('ensure', () => {
  it('fetches what is missing, and nothing the second time', async () => {
    const artifacts = open()
    const reference = publish(undefined, MAP)
    const code = artifacts.codeOf(reference)
    expect(server.requests).toEqual([])
    await artifacts.ensure(code)
    const { exports } = await evaluateArtifact(code)
    expect(exports).toEqual({ default: 42 })
    expect(await readFile(join(code.folder, 'bundle.cjs.map'), 'utf8')).toBe(MAP)
    await artifacts.ensure(code)
    expect(server.countOf('GET', pathOf(reference.sha256))).toBe(1)
    expect(artifacts.status()).toMatchObject({ fetched: 1, failed: 0, fetching: 0 })
    expect(await names(join(folder, '.scratch'))).toEqual([])
  })

  it('shares one download among all who wait', async () => {
    const artifacts = open()
    const reference = publish()
    const code = artifacts.codeOf(reference)
    await Promise.all(Array.from({ length: 20 }, () => artifacts.ensure({ ...code })))
    expect(server.countOf('GET', pathOf(reference.sha256))).toBe(1)
  })

  it('lets through what was built on this machine', async () => {
    const artifacts = open()
    const { sha256, ...reference } = publish()
    const code = {
      ...artifacts.codeOf({ sha256, ...reference }),
      folder: join(folder, 'elsewhere'),
    }
    await artifacts.ensure(code)
    expect(server.requests).toEqual([])
  })

  it('takes the url of the entry, the newest one, and shows no signature', async () => {
    const artifacts = open({ store: undefined as never })
    const { sha256 } = publish()
    const url = (signature: string) => `${server.url}/signed?X-Signature=${signature}`
    server.answers.set('/signed', (request, response) => {
      const isValid = request.url?.endsWith('=second')
      response.writeHead(isValid ? 200 : 403).end(isValid ? 'exports.default = 42' : 'expired')
    })
    const code = artifacts.codeOf({ sha256, exportName: 'default', url: url('first') })
    const error = await failureOf(artifacts.ensure(code))
    expect(error).toMatchObject({ code: 'ARTIFACT_UNAVAILABLE', status: 503 })
    expect(error.message).toBe(
      `artifact ${sha256} is not available: ${server.url}/signed answered 403`,
    )
    artifacts.codeOf({ sha256, exportName: 'default', url: url('second') })
    await artifacts.ensure(code)
    expect(lines.join('')).not.toContain('X-Signature')
    expect(server.requests.filter(line => line.includes('.map'))).toEqual([])
  })

  it('names a host without a store and an url that is none', async () => {
    const artifacts = open({ store: undefined as never })
    const { sha256 } = publish()
    const without = artifacts.codeOf({ sha256, exportName: 'default' })
    expect((await failureOf(artifacts.ensure(without))).message).toContain('no artifact store')
    for (const url of ['file:///etc/passwd', 'secret']) {
      const code = artifacts.codeOf({ sha256, exportName: 'default', url })
      const error = await failureOf(artifacts.ensure(code))
      expect(error).toMatchObject({ code: 'ARTIFACT_UNAVAILABLE', cause: undefined })
      expect(error.message).not.toContain(url)
    }
  })

  it('refuses other content, keeps nothing of it, and takes it once it is right', async () => {
    const artifacts = open()
    const { sha256, exportName } = publish()
    server.files.set(pathOf(sha256), Buffer.from('exports.default = 43'))
    const code = artifacts.codeOf({ sha256, exportName })
    const error = await failureOf(artifacts.ensure(code))
    expect(error.message).toContain(`artifact ${sha256} is not available`)
    expect(error.message).toContain(`${server.url}${pathOf(sha256)} has other content (20 bytes`)
    expect(error.message).toContain(sha256Of('exports.default = 43'))
    expect(await names()).toEqual(['.scratch'])
    expect(await names(join(folder, '.scratch'))).toEqual([])
    publish()
    await artifacts.ensure(code)
    expect(artifacts.status()).toMatchObject({ fetched: 1, failed: 1 })
  })

  it('says when there is none, and when nobody answers', async () => {
    const artifacts = open()
    const code = artifacts.codeOf({ sha256: sha256Of('unknown'), exportName: 'default' })
    expect((await failureOf(artifacts.ensure(code))).message).toContain('answered 404')
    await server[Symbol.asyncDispose]()
    const error = await failureOf(artifacts.ensure(code))
    expect(error.message).toContain('cannot be reached: ECONNREFUSED')
    expect(error.cause).toBeInstanceOf(Error)
  })

  it('says when it cannot keep it', async () => {
    const blocked = join(folder, 'file')
    await writeFile(blocked, '')
    const artifacts = open({ folder: blocked })
    const error = await failureOf(artifacts.ensure(artifacts.codeOf(publish())))
    expect(error.code).toBe('ARTIFACT_UNAVAILABLE')
    expect(error.message).toContain(`cannot be kept in ${blocked}: ENOTDIR`)
  })

  it('tries again at once after a closed connection, but only once', async () => {
    const artifacts = open()
    const { sha256, exportName } = publish()
    let attempts = 0
    server.answers.set(pathOf(sha256), (request, response) => {
      attempts++
      if (attempts !== 2) request.socket.destroy()
      else response.end('exports.default = 42')
    })
    const code = artifacts.codeOf({ sha256, exportName })
    await artifacts.ensure(code)
    expect(attempts).toBe(2)
    await rm(code.folder, { recursive: true })
    attempts = 2
    expect((await failureOf(artifacts.ensure(code))).message).toContain('cannot be reached')
    expect(attempts).toBe(4)
  })

  it('does not take a download that was cut off', async () => {
    const artifacts = open()
    const { sha256, exportName } = publish()
    server.answers.set(pathOf(sha256), (request, response) => {
      response.writeHead(200, { 'content-length': '20' })
      response.write('exports')
      setImmediate(() => request.socket.destroy())
    })
    await failureOf(artifacts.ensure(artifacts.codeOf({ sha256, exportName })))
    expect(await names()).toEqual(['.scratch'])
  })

  it('reads no more than it may, also of what was compressed', async () => {
    const artifacts = open({ maxArtifactBytes: 1_000 })
    server.gzip = true
    const large = artifacts.codeOf(publish(`/* ${' '.repeat(1_000_000)} */`))
    const error = await failureOf(artifacts.ensure(large))
    expect(error.message).toContain('has more than 1000 bytes, which is the limit')
    await artifacts.ensure(artifacts.codeOf(publish('exports.default = 1')))
  })

  it.each([
    ['no headers', (): void => {}, 'sent nothing for 10000 ms', 10_000],
    ['no bytes', (write: () => void) => write(), 'sent nothing for 10000 ms', 10_000],
    [
      'no end',
      (write: () => void) => void setInterval(write, 1).unref(),
      'longer than 60000',
      60_000,
    ],
  ])('gives up on a server that sends %s', async (_, behave, message, afterMs) => {
    const clock = new FakeClock()
    const artifacts = open({ clock })
    const { sha256, exportName } = publish()
    let hasBegun = false
    server.answers.set(pathOf(sha256), (_, response) => {
      behave(() => response.write(' '))
      hasBegun = true
    })
    let failure: Error | undefined
    const done = artifacts.ensure(artifacts.codeOf({ sha256, exportName })).catch(error => {
      failure = error
    })
    await until(() => hasBegun)
    if (afterMs === 60_000) {
      // Each piece that comes moves the limit for the next one.
      for (let passedMs = 0; passedMs < afterMs - 1_000; passedMs += 1_000) {
        await clock.advance(1_000)
        await sleep(5)
      }
      expect(failure).toBeUndefined()
    }
    await until(async () => {
      await clock.advance(1_000)
      return failure !== undefined
    })
    await done
    expect(failure?.message).toContain(message)
    expect(clock.pending).toBe(0)
  })

  it.each([
    ['is no JSON', '<html>'],
    ['is no map', '{"version":3,"sources":[5],"mappings":""}'],
    ['is too large', JSON.stringify({ ...JSON.parse(MAP), x: 'x'.repeat(9_000_000) })],
  ])('does without a map that %s', async (_, map) => {
    const artifacts = open()
    const code = artifacts.codeOf(publish(undefined, map))
    await artifacts.ensure(code)
    expect(await names(code.folder)).toEqual(['bundle.cjs'])
  })

  it('does not wait for a map that does not come', async () => {
    const clock = new FakeClock()
    const artifacts = open({ clock })
    const reference = publish(undefined, MAP)
    server.answers.set(`${pathOf(reference.sha256)}.map`, () => {})
    const code = artifacts.codeOf(reference)
    let done = false
    void artifacts.ensure(code).then(() => {
      done = true
    })
    // Total and stall of the map, and what is left of its time.
    await until(() => clock.nextInMs === 1_000)
    await clock.advance(1_000)
    await until(() => done)
    expect(await names(code.folder)).toEqual(['bundle.cjs'])
  })

  it.each(['', '../../etc', 'A'.repeat(64), `${'a'.repeat(64)}/x`])(
    'never makes a path of the sha256 %j',
    sha256 => {
      expect(() => open().codeOf({ sha256, exportName: 'default' })).toThrow(
        expect.objectContaining({ code: 'INVALID_ENTRY' }),
      )
    },
  )
})

describe('what is kept', () => {
  it.each([
    ['truncated', 'exports'],
    ['of the right length', 'exports.default = 43'],
  ])('is fetched again when it is damaged: %s', async (_, damaged) => {
    const reference = publish()
    const first = open()
    const code = first.codeOf(reference)
    await first.ensure(code)
    await first.close()
    await writeFile(join(code.folder, 'bundle.cjs'), damaged)
    // Compiled from the damaged bundle; V8 compares no more than the length.
    await evaluateArtifact(code)
    expect(await names(code.folder)).toHaveLength(2)
    const second = open()
    await second.ensure(code)
    expect((await evaluateArtifact(code)).exports).toEqual({ default: 42 })
    expect(second.status()).toMatchObject({ damaged: 1, fetched: 1 })
  })

  it('is used with the store down', async () => {
    const code = open().codeOf(publish())
    await open().ensure(code)
    await server[Symbol.asyncDispose]()
    await open().ensure(code)
  })

  it('may be fetched by several at once', async () => {
    const reference = publish()
    const all = Array.from({ length: 5 }, () => open())
    const code = all[0]!.codeOf(reference)
    await Promise.all(all.map(artifacts => artifacts.ensure(code)))
    expect((await evaluateArtifact(code)).exports).toEqual({ default: 42 })
    expect(await names(join(folder, '.scratch'))).toEqual([])
  })

  it('comes back after somebody has removed it', async () => {
    const artifacts = open()
    const code = artifacts.codeOf(publish())
    await artifacts.ensure(code)
    await rm(code.folder, { recursive: true })
    await artifacts.ensure(code)
    expect(artifacts.status().fetched).toBe(2)
  })
})

describe('the bound of the disk', () => {
  const text = (name: number) => `exports.default = ${name} // ${'x'.repeat(1_000)}`
  /** As if it had been asked for so long ago. */
  const age = (path: string, agoMs: number) => {
    const then = new Date(Date.now() - agoMs)
    return utimes(path, then, then)
  }

  it('removes what nobody has asked for the longest', async () => {
    const artifacts = open({ maxBytes: 3_500 })
    const codes = [1, 2, 3, 4].map(name => artifacts.codeOf(publish(text(name))))
    for (const code of codes.slice(0, 3)) await artifacts.ensure(code)
    await age(codes[0]!.folder, 200_000)
    await age(codes[1]!.folder, 400_000)
    await age(codes[2]!.folder, 300_000)
    await artifacts.ensure(codes[3]!)
    await until(() => artifacts.status().removed === 1)
    expect(await names()).toEqual(['.scratch', ...[0, 2, 3].map(n => codes[n]!.sha256)].sort())
    expect(artifacts.status().sizeBytes).toBeLessThan(3_500)
    await artifacts.ensure(codes[1]!)
    expect((await evaluateArtifact(codes[1]!)).exports).toEqual({ default: 2 })
  })

  it('leaves what is in use, also by others, even when that is too much', async () => {
    const artifacts = open({ maxBytes: 1_500 })
    const codes = [1, 2, 3].map(name => artifacts.codeOf(publish(text(name))))
    for (const code of codes) await artifacts.ensure(code)
    await artifacts.close()
    expect(await names()).toHaveLength(4)
    expect(artifacts.status()).toMatchObject({ removed: 0 })
  })

  it('makes room for what was left by earlier runs', async () => {
    const first = open()
    const codes = [1, 2, 3].map(name => first.codeOf(publish(text(name))))
    for (const code of codes) await first.ensure(code)
    await first.close()
    for (const [index, code] of codes.entries()) await age(code.folder, 100_000 * (3 - index))
    const second = open({ maxBytes: 2_500 })
    await second.ensure(codes[2]!)
    await until(() => second.status().removed === 1)
    expect(await names()).toEqual(['.scratch', codes[1]!.sha256, codes[2]!.sha256].sort())
  })

  it('counts an artifact as in use from when it is asked for', async () => {
    const first = open()
    const code = first.codeOf(publish())
    await first.ensure(code)
    await age(code.folder, 500_000)
    await open().ensure(code)
    expect(Date.now() - (await stat(code.folder)).mtimeMs).toBeLessThan(60_000)
  })

  it('removes what crashed downloads have left, but no download of others', async () => {
    const [old, young] = ['old', 'young'].map(name => join(folder, '.scratch', name))
    for (const path of [old!, young!]) {
      await mkdir(path, { recursive: true })
      await writeFile(join(path, 'bundle.cjs'), 'exp')
    }
    await age(old!, 3_700_000)
    const artifacts = open()
    await artifacts.ensure(artifacts.codeOf(publish()))
    await artifacts.close()
    expect(await names(join(folder, '.scratch'))).toEqual(['young'])
  })
})

describe('prefetch', () => {
  it('fetches a few at a time, and is quiet about failures', async () => {
    const artifacts = open()
    let active = 0
    let asked = 0
    let most = 0
    const held: (() => void)[] = []
    const release = async () => {
      // Time for one too many to come.
      for (let turn = 0; turn < 5; turn++) await settled()
      for (const answer of held.splice(0)) answer()
    }
    const codes = Array.from({ length: 20 }, (_, index) => {
      const reference = publish(`exports.default = ${index}`)
      server.answers.set(pathOf(reference.sha256), (_, response) => {
        most = Math.max(most, ++active)
        held.push(() => {
          active--
          response.end(server.files.get(pathOf(reference.sha256)))
        })
        if (++asked === 20 || active === 4) void release()
      })
      return artifacts.codeOf(reference)
    })
    const missing = artifacts.codeOf({ sha256: sha256Of('missing'), exportName: 'default' })
    artifacts.prefetch([missing, ...codes])
    artifacts.prefetch(codes)
    await until(() => artifacts.status().fetched === 20)
    expect(most).toBe(4)
    expect(lines.filter(line => !line.includes('"level":"debug"'))).toEqual([])
    expect(artifacts.status()).toMatchObject({ failed: 1, queued: 0 })
  })

  it('does not remove anything to make room', async () => {
    const artifacts = open({ maxBytes: 2_500 })
    const texts = [1, 2, 3, 4, 5, 6, 7, 8].map(name => `exports.x = ${name} // ${'x'.repeat(990)}`)
    const codes = texts.map(each => artifacts.codeOf(publish(each)))
    artifacts.prefetch(codes)
    await until(() => artifacts.status().queued === 0 && artifacts.status().fetching === 0)
    expect(artifacts.status().removed).toBe(0)
    // Those under way when the room was used up.
    expect(artifacts.status().fetched).toBeLessThanOrEqual(6)
    await artifacts.ensure(codes[7]!)
  })

  it('ends with close, as do downloads', async () => {
    const artifacts = open()
    const { sha256, exportName } = publish()
    let hasBegun = false
    server.answers.set(pathOf(sha256), () => {
      hasBegun = true
    })
    const code = artifacts.codeOf({ sha256, exportName })
    const failure = failureOf(artifacts.ensure(code))
    artifacts.prefetch([artifacts.codeOf(publish('exports.default = 7'))])
    await until(() => hasBegun)
    await Promise.all([artifacts.close(), artifacts.close()])
    expect((await failure).message).toContain('the host is closing')
    expect((await failureOf(artifacts.ensure(code))).message).toContain('the host is closing')
    expect(await names(join(folder, '.scratch'))).toEqual([])
  })
})
