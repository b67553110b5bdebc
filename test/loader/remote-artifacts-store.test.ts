import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { ArtifactStore } from '../../src/loader/artifact-store.ts'
import { openArtifactStore } from '../../src/loader/artifact-stores/open.ts'
import { sha256Of } from '../../src/loader/inputs.ts'
import { uploadArtifact } from '../../src/loader/upload-artifact.ts'
import { ArtifactServer } from './artifact-server.ts'
import { writeFiles } from './project.ts'

const bundle = Buffer.from('exports.default = 1')
const map = Buffer.from('{"version":3,"sources":[],"mappings":""}')
const sha256 = sha256Of(bundle)
const signal = new AbortController().signal

async function textOf(store: ArtifactStore, file: 'bundle.cjs' | 'bundle.cjs.map') {
  return (await buffer(await store.read(sha256, file, signal))).toString()
}

type Opened = { address: string; shown: string } & AsyncDisposable

const KINDS: Readonly<Record<string, () => Promise<Opened>>> = {
  'a folder': async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fezz-artifacts-'))
    const dispose = () => rm(folder, { recursive: true })
    return { address: join(folder, 'new'), shown: folder, [Symbol.asyncDispose]: dispose }
  },
  'a folder as a file: address': async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fezz artifacts-'))
    const dispose = () => rm(folder, { recursive: true })
    const address = pathToFileURL(folder).href
    return { address, shown: folder, [Symbol.asyncDispose]: dispose }
  },
  'an HTTP server': async () => {
    const server = await ArtifactServer.start()
    const dispose = () => server[Symbol.asyncDispose]()
    const address = `http://ada:s%40cret@127.0.0.1:${server.port}/some/where/?token=hidden`
    return { address, shown: `${server.url}/some/where/`, [Symbol.asyncDispose]: dispose }
  },
}

describe.each(Object.entries(KINDS))('an artifact store that is %s', (_, open) => {
  it('gives what was written', async () => {
    await using opened = await open()
    const store = openArtifactStore(opened.address)
    expect(await store.has(sha256)).toBe(false)
    await store.write({ sha256, bundle, map })
    expect(await store.has(sha256)).toBe(true)
    expect(await textOf(store, 'bundle.cjs')).toBe(String(bundle))
    expect(await textOf(store, 'bundle.cjs.map')).toBe(String(map))
    await store.write({ sha256, bundle })
    expect(await textOf(store, 'bundle.cjs')).toBe(String(bundle))
  })

  it('says what is missing, and shows no secret', async () => {
    await using opened = await open()
    const store = openArtifactStore(opened.address)
    expect(store.address).toContain(opened.shown)
    await store.write({ sha256, bundle })
    const missing = textOf(store, 'bundle.cjs.map')
    await expect(missing).rejects.toMatchObject({ code: 'ARTIFACT_UNAVAILABLE' })
    const error = await missing.catch(error => error)
    expect(error.message).toContain(`${sha256}/bundle.cjs.map`)
    expect(`${store.address} ${error.stack} ${error.cause}`).not.toMatch(/cret|ada|hidden|token/)
  })

  it('takes a built artifact once, and none that is damaged', async () => {
    await using opened = await open()
    const store = openArtifactStore(opened.address)
    const folder = await mkdtemp(join(tmpdir(), 'fezz-built-'))
    try {
      await writeFiles(folder, { 'bundle.cjs': String(bundle), 'bundle.cjs.map': String(map) })
      const other = sha256Of('other')
      await expect(uploadArtifact(store, { sha256: other, folder })).rejects.toThrow(
        `has the sha256 ${sha256} instead of ${other}`,
      )
      expect(await store.has(other)).toBe(false)
      expect(await uploadArtifact(store, { sha256, folder })).toBe(true)
      expect(await uploadArtifact(store, { sha256, folder })).toBe(false)
      expect(await textOf(store, 'bundle.cjs.map')).toBe(String(map))
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe('an artifact store behind HTTP', () => {
  it('sends credentials and query with each request, and writes the bundle last', async () => {
    await using server = await ArtifactServer.start()
    const store = openArtifactStore(`http://ada:s%40cret@127.0.0.1:${server.port}/base?sig=1`)
    await store.write({ sha256, bundle, map })
    await store.has(sha256)
    expect(server.requests).toEqual([
      `PUT /base/${sha256}/bundle.cjs.map?sig=1`,
      `PUT /base/${sha256}/bundle.cjs?sig=1`,
      `HEAD /base/${sha256}/bundle.cjs?sig=1`,
    ])
    const expected = `Basic ${Buffer.from('ada:s@cret').toString('base64')}`
    expect([...server.authorizations]).toEqual([expected])
  })

  it('follows redirects within its scheme, and takes the credentials to no other origin', async () => {
    await using server = await ArtifactServer.start()
    await using mirror = await ArtifactServer.start()
    mirror.files.set('/copy', bundle)
    server.answers.set(`/${sha256}/bundle.cjs`, (_, response) =>
      response.writeHead(307, { location: `${mirror.url}/copy` }).end('moved'),
    )
    const store = openArtifactStore(`http://ada:secret@127.0.0.1:${server.port}`)
    expect(await textOf(store, 'bundle.cjs')).toBe(String(bundle))
    expect([...server.authorizations]).toEqual([expect.stringContaining('Basic')])
    expect([...mirror.authorizations]).toEqual([undefined])
  })

  it.each([
    ['https://127.0.0.1/x?sig=hidden', 'redirects to another scheme: https://127.0.0.1/x'],
    ['file:///etc/passwd', 'redirects to another scheme'],
    ['http://[', 'redirects to an address that cannot be read'],
    [`/${sha256}/bundle.cjs`, 'redirects more than 5 times'],
  ])('does not follow a redirect to %s', async (location, message) => {
    await using server = await ArtifactServer.start()
    server.answers.set(`/${sha256}/bundle.cjs`, (_, response) =>
      response.writeHead(302, { location }).end(),
    )
    const store = openArtifactStore(server.url)
    const error = await textOf(store, 'bundle.cjs').catch(error => error)
    expect(error).toMatchObject({ code: 'ARTIFACT_UNAVAILABLE' })
    expect(error.message).toContain(message)
    expect(error.message).not.toContain('hidden')
  })

  it('does not take a refusal for "there is none"', async () => {
    await using server = await ArtifactServer.start()
    server.answers.set(`/${sha256}/bundle.cjs`, (_, response) => response.writeHead(403).end())
    const store = openArtifactStore(server.url)
    await expect(store.has(sha256)).rejects.toThrow('answered 403')
    await expect(store.write({ sha256, bundle })).rejects.toThrow('answered 403')
  })
})

describe('an address', () => {
  it.each([
    '',
    's3://bucket:secret/x',
    'ftp://a:secret@b',
    'file://host:secret/x',
    'http://:secret@',
  ])('%j is refused without being shown', address => {
    const opening = () => openArtifactStore(address)
    expect(opening).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
    expect(opening).not.toThrow(/secret/)
  })
})
