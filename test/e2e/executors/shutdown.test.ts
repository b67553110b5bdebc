import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { serve, temporaryFolder } from '../../helpers/cli.ts'
import { testImage } from '../../services/images.ts'
import { hasPodman, podmanService } from '../../services/podman-service.ts'
import { Belongings, NOTHING } from './outliving.ts'

const service = (await hasPodman()) ? await podmanService() : undefined
const KINDS = ['in-process', 'thread', 'process', ...(service ? ['container'] : [])]
const ANSWER_MS = 1_500

function slow(executor: string): string {
  return `
    export const manifest = { path: '/${executor}', executor: '${executor}' }
    export default class {
      onLoad({ log }) {
        this.log = log
      }
      async fetch(request) {
        if (new URL(request.url).search === '') return new Response('at once')
        this.log.info('request arrived')
        await new Promise(resolve => setTimeout(resolve, ${ANSWER_MS}))
        return new Response('answered')
      }
      async onUnload() {
        await new Promise(resolve => setTimeout(resolve, 300))
        this.log.info('onUnload has run')
      }
    }`
}

/** Ends as servers do: when what it has is answered, and only after that. */
const SERVER = `
  import { createServer } from 'node:http'
  const server = createServer((request, response) => {
    if (!request.url.includes('?')) return response.end('at once')
    console.log('request arrived')
    setTimeout(() => response.end('answered'), ${ANSWER_MS})
  }).listen(process.env.FEZZ_SOCKET)
  process.on('SIGTERM', () => server.close(() => setTimeout(() => {
    console.log('onUnload has run')
  }, 300)))`

it.each(['quick to end', 'of a program that ignores SIGTERM'])(
  'SIGTERM with every kind of instance loaded and asked: all is answered, unloaded, and gone (%s)',
  async which => {
    const [folder, temporary] = [await temporaryFolder(), await temporaryFolder()]
    for (const kind of KINDS) await writeFile(join(folder, `${kind}.ts`), slow(kind))
    await mkdir(join(folder, 'program'))
    await writeFile(join(folder, 'program/server.mjs'), SERVER)
    const command = [process.execPath, 'server.mjs']
    await writeFile(join(folder, 'program/fezz.json'), JSON.stringify({ command }))
    const asked = [...KINDS, 'program']
    const loaded = [...asked]
    if (which.startsWith('of')) {
      await mkdir(join(folder, 'stubborn'))
      const serving = `require('node:http').createServer((_, answer) => answer.end('at once')).listen(process.env.FEZZ_SOCKET)`
      const stubborn = [process.execPath, '-e', `process.on('SIGTERM', () => {}); ${serving}`]
      await writeFile(join(folder, 'stubborn/fezz.json'), JSON.stringify({ command: stubborn }))
      loaded.push('stubborn')
      if (service !== undefined) {
        await mkdir(join(folder, 'image'))
        const image = await testImage(service, 'hello')
        await writeFile(join(folder, 'image/fezz.json'), JSON.stringify({ image }))
        loaded.push('image')
      }
    }
    const belongings = new Belongings(temporary, service)
    await using host = await serve([folder], {
      env: {
        TMPDIR: temporary,
        ...(service && {
          FEZZ_CONTAINER_ENGINE: service.endpoint,
          FEZZ_NODE_IMAGE: await testImage(service, 'node'),
        }),
      },
    })
    for (const name of loaded) await host.get(`/${name}`)
    const [run = ''] = belongings.runs()
    const answers = asked.map(name => host.get(`/${name}?slowly`))
    await host.someLines(asked.length, ({ msg }) => msg === 'request arrived')
    host.child.kill('SIGTERM')
    expect(await Promise.all(answers)).toEqual(asked.map(() => 'answered'))
    expect(await host.exited).toEqual({ code: 0, signal: null })
    const ended = host.lines.filter(({ msg }) => msg === 'onUnload has run')
    expect(ended.map(({ functionId }) => functionId).sort()).toEqual([...asked].sort())
    expect(await belongings.of(run)).toEqual(NOTHING)
    expect(host.lines.filter(({ level }) => level === 'error' || level === 'warn')).toEqual([])
  },
  60_000,
)
