import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { type CliHost, serve, temporaryFolder } from '../helpers/cli.ts'
import { hammer, type Report } from './keep-alive-client.ts'

/** A function that says its version in two constants, two files and two chunks of a stream. */
function page(version: string): string {
  return `
    const first = '${version}'
    export default async function () {
      const encoder = new TextEncoder()
      const body = new ReadableStream({
        async start(controller) {
          controller.enqueue(encoder.encode(first + ' '))
          await new Promise(resolve => setTimeout(resolve, 2))
          controller.enqueue(encoder.encode(second))
          controller.close()
        },
      })
      return new Response(body)
    }
    const second = '${version}'
  `
}

async function watching(): Promise<{ folder: string; host: CliHost }> {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'page.ts'), page('old'))
  return { folder, host: await serve([folder, '--watch']) }
}

function bodyOf(host: CliHost, path: string): Promise<string> {
  return host.fetch(path).then(response => response.text())
}

it('an edit takes over whole, and no request fails meanwhile', async () => {
  const { folder, host } = await watching()
  await using _host = host
  const isNew = ({ answers }: Report) => answers.slice(-10).every(body => body === 'new new')
  const oldOnes = Promise.withResolvers<void>()
  const clients = Array.from({ length: 10 }, () =>
    hammer(host.port, '/page', report => {
      if (report.answers.length === 10) oldOnes.resolve()
      return report.answers.length > 20 && isNew(report)
    }),
  )
  await oldOnes.promise
  await writeFile(join(folder, 'page.ts'), page('new'))
  const reports = await Promise.all(clients)
  expect(reports.flatMap(({ failure }) => failure ?? [])).toEqual([])
  const bodies = new Set(reports.flatMap(({ answers }) => answers))
  expect(bodies).toEqual(new Set(['old old', 'new new']))
  await host.line(({ reason }) => reason === 'replaced')
})

it('a mistake is told with its place, the old version serves on, and the next edit takes over', async () => {
  const { folder, host } = await watching()
  await using _host = host
  const file = join(folder, 'page.ts')
  expect(await host.get('/page')).toBe('old old')
  await writeFile(file, `export default () => {\n  return new Response('broken'\n}\n`)
  const line = await host.line(({ level }) => level === 'error')
  expect(line).toMatchObject({ code: 'BUILD_FAILED' })
  expect(line.msg).toContain(`${file}:3:1: Expected ")" but found "}"`)
  expect(await host.get('/page')).toBe('old old')
  expect(host.linesOf('page', 'function unloaded')).toEqual([])
  await writeFile(file, page('mended'))
  await expect.poll(() => bodyOf(host, '/page')).toBe('mended mended')
})

it('a version that does not load is told, and the old one serves on', async () => {
  const { folder, host } = await watching()
  await using _host = host
  expect(await host.get('/page')).toBe('old old')
  const file = join(folder, 'page.ts')
  await writeFile(
    file,
    `export default class { onLoad() { throw new Error('no luck') } fetch() { return new Response('x') } }
     export const manifest = { id: 'page' }`,
  )
  const line = await host.line(({ msg }) => msg.startsWith('the new version was refused'))
  expect(line).toMatchObject({ functionId: 'page', err: { cause: { message: 'no luck' } } })
  expect(await host.get('/page')).toBe('old old')
})

it('what a function imports is watched too', async () => {
  const { folder, host } = await watching()
  await using _host = host
  const library = join(await temporaryFolder(), 'library.ts')
  await writeFile(library, `export const said = 'one'`)
  await writeFile(
    join(folder, 'user.ts'),
    `import { said } from '${library}'\nexport default () => new Response(said)`,
  )
  await expect.poll(() => bodyOf(host, '/user')).toBe('one')
  await writeFile(library, `export const said = 'two'`)
  await expect.poll(() => bodyOf(host, '/user')).toBe('two')
})

it('a new file appears, a deleted one disappears, and the others do not notice', async () => {
  const { folder, host } = await watching()
  await using _host = host
  expect(await host.get('/page')).toBe('old old')
  expect((await host.fetch('/extra')).status).toBe(404)
  const extra = join(folder, 'extra.ts')
  await writeFile(extra, `export default () => new Response('extra')`)
  await expect.poll(() => bodyOf(host, '/extra')).toBe('extra')
  await rm(extra)
  await expect.poll(async () => (await host.fetch('/extra')).status).toBe(404)
  expect(await host.get('/page')).toBe('old old')
  expect(host.linesOf('page', 'function loaded')).toHaveLength(1)
})

it('a folder may be empty at the start', async () => {
  const folder = await temporaryFolder()
  await using host = await serve([folder, '--watch'])
  await writeFile(join(folder, 'first.ts'), `export default () => new Response('first')`)
  await expect.poll(() => bodyOf(host, '/first')).toBe('first')
})
