import { describe, expect, it } from 'vitest'
import type { ProgramCode } from '../../../src/function/contract.ts'
import { buildApp, hasTool, RunningProgram } from './running-program.ts'

const SERVER = `
  const { createServer } = require('node:http')
  const server = createServer((request, response) => response.end('served by ' + process.argv.slice(2)))
`
const starting = (start: string, more: object = {}) =>
  JSON.stringify({ scripts: { start }, ...more })

describe('the runtime node', { timeout: 120_000 }, () => {
  it.each<[string]>([
    ['server.listen(3000)'],
    ['server.listen(3000, "127.0.0.1", 100, () => console.log("listening"))'],
    ['server.listen({ port: 3000, host: "localhost" })'],
    ['server.listen("3000")'],
    ['server.listen(process.env.PORT)'],
    ['server.listen()'],
    ['server.listen(process.env.FEZZ_SOCKET)'],
  ])('serves what does %s, side by side', async listen => {
    const code = (await buildApp({
      'package.json': starting('node bin/www a b'),
      'bin/www': `${SERVER}\n${listen}`,
    })) as ProgramCode
    for (const program of await Promise.all([1, 2].map(() => RunningProgram.start(code)))) {
      expect((await program.fetch('/')).body).toBe('served by a,b')
    }
  })

  it('redirects the first server alone: others listen where they say', async () => {
    const program = await RunningProgram.of({
      'package.json': starting('node main.mjs'),
      'main.mjs': `
        import { createServer } from 'node:http'
        createServer((request, response) => response.end(String(other.address().port))).listen(80)
        const other = createServer().listen(0, '127.0.0.1')`,
    })
    expect(Number((await program.fetch('/')).body)).toBeGreaterThan(0)
  })

  it('is the main module of its process, in production', async () => {
    const program = await RunningProgram.of({
      'package.json': starting('node --no-warnings app.js'),
      'app.js': `
        require('node:http')
          .createServer((_, response) => response.end([require.main === module, process.env.NODE_ENV, process.execArgv.at(-1)].join()))
          .listen(1)`,
    })
    expect((await program.fetch('/')).body).toBe('true,production,--no-warnings')
  })

  it('says what to write when the start script is a matter of a shell', async () => {
    const files = { 'package.json': starting('next start && echo') }
    expect(await buildApp(files)).toEqual([
      '/app: there is no start script of "node FILE" alone, nor a main, server.js or index.js; write "start": "node server.js" under scripts of its package.json, or a command in a fezz.json',
    ])
    const declared = { ...files, 'fezz.json': '{ "command": "npx next start" }' }
    expect(await buildApp(declared)).toMatchObject({ command: ['npx', 'next', 'start'] })
  })
})

describe.skipIf(!(await hasTool('npm')))(
  'the packages of a Node program',
  { timeout: 120_000 },
  () => {
    it('are installed, once for all that ask for the same', async () => {
      const files = (text: string) => ({
        'package.json': starting('node app.mjs', {
          dependencies: { ms: '2.1.3' },
          devDependencies: { 'no-such-package-of-anyone': '1.0.0' },
        }),
        'app.mjs': `
        import { createServer } from 'node:http'
        import ms from 'ms'
        createServer((_, response) => response.end('${text} ' + ms('1m'))).listen(1)`,
      })
      const [a, b] = (await Promise.all([
        buildApp(files('a')),
        buildApp(files('b')),
      ])) as ProgramCode[]
      expect(a?.reads.slice(0, 2)).toEqual(b?.reads.slice(0, 2))
      const program = await RunningProgram.start(a as ProgramCode)
      expect((await program.fetch('/')).body).toBe('a 60000')
    })

    it('are those that it brings, where it brings some', async () => {
      const program = await RunningProgram.of({
        'package.json': starting('node app.js', {
          dependencies: { 'no-such-package-of-anyone': '1' },
        }),
        'node_modules/no-such-package-of-anyone/index.js': 'module.exports = "brought"',
        'app.js': `
        const text = require('no-such-package-of-anyone')
        require('node:http').createServer((_, response) => response.end(text)).listen(1)`,
      })
      expect((await program.fetch('/')).body).toBe('brought')
    })
  },
)
