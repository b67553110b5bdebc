import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ConfigInput } from '../../src/runtime/config.ts'
import { HhrfServer } from '../../src/runtime/server.ts'
import { LISTENERS } from '../helpers/listeners.ts'
import { type Certificates, makeCertificates } from '../services/certificates.ts'

let folder: string
let files: Certificates
const open: HhrfServer[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fezz-host-listener-'))
  files = await makeCertificates(folder)
})
afterAll(() => rm(folder, { recursive: true }))
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

function host(config: ConfigInput): HhrfServer {
  const server = new HhrfServer(
    { host: '127.0.0.1', port: 0, logLevel: 'silent', ...config },
    { env: {} },
  )
  open.push(server)
  return server
}

describe.each(LISTENERS)('a host with the %s listener', listener => {
  it('serves HTTPS', async () => {
    const { ca, serverCert, serverKey } = files
    const server = host({ listener, tlsCert: serverCert, tlsKey: serverKey })
    await server.register((request: Request) => new Response(request.url), {
      id: 'url',
      path: '/url',
    })
    const { port } = await server.listen()
    const answer = await new Promise<string>((resolve, reject) => {
      const options = { ca: readFileSync(ca), host: 'localhost', port, path: '/url', agent: false }
      httpsRequest(options, response => text(response).then(resolve, reject))
        .on('error', reject)
        .end()
    })
    expect(answer).toBe(`https://localhost:${port}/url`)
  })

  it('listens on a Unix socket', async () => {
    const unixSocket = join(folder, `${listener}.sock`)
    const server = host({ listener, unixSocket })
    await server.register(() => new Response('hello'), { id: 'hello', path: '/hello' })
    expect(await server.listen()).toMatchObject({ port: 0 })
    const answer = await new Promise<string>((resolve, reject) => {
      const options = { socketPath: unixSocket, path: '/hello', agent: false as const }
      httpRequest(options, response => text(response).then(resolve, reject))
        .on('error', reject)
        .end()
    })
    expect(answer).toBe('hello')
  })

  it('says which certificates it cannot use', async () => {
    const { serverCert, serverKey, clientKey } = files
    const none = join(folder, 'none.pem')
    const rubbish = join(folder, 'rubbish.pem')
    await writeFile(rubbish, 'rubbish')
    expect(() => host({ listener, tlsCert: serverCert })).toThrow('"tlsCert" needs "tlsKey"')
    expect(() => host({ listener, tlsClientCa: serverCert })).toThrow('set them together')
    expect(() => host({ listener, tlsCert: none, tlsKey: serverKey })).toThrow(
      `setting "tlsCert": ${none} cannot be read (ENOENT)`,
    )
    for (const tlsKey of [rubbish, clientKey]) {
      expect(() => host({ listener, tlsCert: serverCert, tlsKey })).toThrow(
        expect.objectContaining({
          code: 'INVALID_CONFIG',
          message: expect.stringContaining(`tlsCert ${serverCert} with tlsKey ${tlsKey}: `),
        }),
      )
    }
  })

  it('has no Unix socket with a store, where others look for its port', () => {
    expect(() => host({ listener, unixSocket: '/x', store: 'file:///x' })).toThrow(
      '"unixSocket" does not go with "store"',
    )
  })

  it('says why it cannot listen on a Unix socket', async () => {
    const unixSocket = join(folder, 'missing', 'http.sock')
    await expect(host({ listener, unixSocket }).listen()).rejects.toThrow(
      `cannot listen on ${unixSocket}`,
    )
  })
})
