import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { plainEnvironment, runCli, serve, temporaryFolder } from '../helpers/cli.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const SOURCES = [
  ...['package.json', 'tsconfig.json', 'tsconfig.build.json', 'tsup.config.ts'],
  ...['src', 'decorators', 'docs', 'envoy', 'examples', 'runtimes'],
  ...['README.md', 'LICENSE', 'CHANGELOG.md'],
]
const MINUTES_MS = 60_000

const HELLO = `
  import { FezzResponse, type FunctionContext } from 'fezz'
  import { FezzFunction } from 'fezz/decorators'

  @FezzFunction('hello', '/hello/:name', { timeout: '5s' })
  export class Hello {
    fetch(_request: Request, { params }: FunctionContext): Response {
      return FezzResponse.json({ hello: params['name'] })
    }
  }
`

const EMBEDDING = `
  import { HhrfServer } from 'fezz'
  import { Hello } from './functions/hello.js'

  const server = new HhrfServer({ host: '127.0.0.1', port: 0, logLevel: 'silent' }).register(Hello)
  const inside = await server.fetch(new Request('http://localhost/hello/inside'))
  const { port } = await server.listen()
  const outside = await fetch('http://127.0.0.1:' + port + '/hello/outside')
  console.log(await inside.text(), await outside.text())
  await server.close()
`

/** Where the package was made, and where it is used. */
let tarball: string
let project: string

beforeAll(async () => {
  // A copy, because packing builds: dist of this checkout is in use by other tests.
  const checkout = await temporaryFolder()
  for (const name of SOURCES) {
    await cp(join(ROOT, name), join(checkout, name), { recursive: true })
  }
  await symlink(join(ROOT, 'node_modules'), join(checkout, 'node_modules'))
  const packed = await run('npm', ['pack', '--json', '--silent'], checkout)
  // The build writes before it, in colour where CI is set.
  const [{ filename }] = JSON.parse(packed.slice(packed.search(/^\[$/m))) as [{ filename: string }]
  tarball = join(checkout, filename)

  project = await temporaryFolder()
  await mkdir(join(project, 'functions'))
  await writeFile(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  await writeFile(join(project, 'functions/hello.ts'), HELLO)
  await writeFile(join(project, 'program.ts'), EMBEDDING)
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', tarball], project)
}, 3 * MINUTES_MS)

/** @returns standard output; a failure shows all that was written */
async function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  const env = plainEnvironment()
  const ended = promisify(execFile)(program, args, { cwd, env, maxBuffer: 2 ** 26 })
  const { stdout } = await ended.catch(({ message, stdout, stderr }) => {
    throw new Error(`${message}\n${stdout}\n${stderr}`)
  })
  return stdout
}

describe('the package, installed into an empty project', () => {
  it('brings a command: npx fezz serve', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
    const command = ['npx', '--offline', 'fezz'] as const
    expect((await runCli(['--version'], { cwd: project, command })).stdout).toBe(`${version}\n`)
    await using host = await serve([], { cwd: project, command })
    expect(await host.get('/hello/npx')).toBe('{"hello":"npx"}')
  })

  it('runs functions in threads and processes, of JavaScript and of programs', async () => {
    const command = ['npx', '--offline', 'fezz'] as const
    const where = 'export default () => Response.json({ pid: process.pid })'
    for (const executor of ['thread', 'process']) {
      const manifest = `export const manifest = { executor: '${executor}' }`
      await writeFile(join(project, `functions/in-${executor}.ts`), `${manifest}\n${where}`)
    }
    const serving = `require('node:http').createServer((_, answer) => answer.end('by ' + process.argv[2]))
      .listen(process.env.PORT)`
    const packaged = { scripts: { start: 'node server.js started' } }
    const folders = {
      'by-command': { 'fezz.json': { command: ['node', 'server.js', 'command'] } },
      'by-runtime': { 'fezz.json': { runtime: 'node' }, 'package.json': packaged },
    }
    for (const [name, files] of Object.entries(folders)) {
      const folder = join(project, 'functions', name)
      await mkdir(folder)
      await writeFile(join(folder, 'server.js'), serving)
      for (const [file, content] of Object.entries(files)) {
        await writeFile(join(folder, file), JSON.stringify(content))
      }
    }
    await using host = await serve([], { cwd: project, command })
    const pidOf = async (path: string) => JSON.parse(await host.get(path)).pid as number
    expect(await pidOf('/in-thread')).not.toBe(await pidOf('/in-process'))
    expect(await host.get('/by-command')).toBe('by command')
    expect(await host.get('/by-runtime')).toBe('by started')
    expect(host.lines.filter(({ level }) => level === 'error')).toEqual([])
    // npx itself would not tell it.
    process.kill(-(host.child.pid as number), 'SIGTERM')
    await host.exited
  })

  it('is a library: a program registers a function and serves it', async () => {
    const esbuild = join(project, 'node_modules/.bin/esbuild')
    const sources = ['program.ts', 'functions/hello.ts']
    await run(
      esbuild,
      [...sources, '--outdir=out', '--target=es2022', '--log-level=error'],
      project,
    )
    expect(await run(process.execPath, ['out/program.js'], project)).toBe(
      '{"hello":"inside"} {"hello":"outside"}\n',
    )
  })

  it.each([
    ['standard', []],
    ['legacy', ['--experimentalDecorators']],
  ])('has types that need nothing else, with %s decorators', async (_dialect, flags) => {
    const tsc = join(ROOT, 'node_modules/.bin/tsc')
    const strict = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2024']
    const types = ['--types', 'node', '--typeRoots', join(ROOT, 'node_modules/@types')]
    const files = ['program.ts', 'functions/hello.ts']
    const libs = ['--lib', 'es2024,esnext.disposable']
    await run(tsc, [...strict, ...types, ...libs, ...flags, ...files], project)
  })

  it('holds no more than is used', async () => {
    const files = await run('tar', ['-tzf', tarball], project)
    const tops = new Set(
      files
        .trim()
        .split('\n')
        .map(file => file.split('/')[1]),
    )
    expect([...tops].sort()).toEqual([
      ...['CHANGELOG.md', 'LICENSE', 'README.md'],
      ...['dist', 'docs', 'envoy', 'examples', 'package.json', 'runtimes'],
    ])
  })
})

const isReachable = await run('npm', ['view', 'publint', 'version'], ROOT).then(
  () => true,
  error => {
    if (process.env['FEZZ_REQUIRE_SERVICES'] === '1') throw error
    console.warn(`SKIPPING TESTS: no package registry: ${error.message}`)
    return false
  },
)

describe.skipIf(!isReachable)('the package', () => {
  it(
    'is clean to publint',
    async () => {
      expect(await run('npx', ['--yes', 'publint', '--strict', tarball], ROOT)).toContain(
        'All good!',
      )
    },
    MINUTES_MS,
  )

  it(
    'is clean to arethetypeswrong',
    async () => {
      const args = ['--yes', '@arethetypeswrong/cli', tarball, '--profile', 'esm-only']
      // It fails where something is wrong; this is for a run that has looked at nothing.
      expect(await run('npx', args, ROOT)).toContain('🟢 (ESM)')
    },
    MINUTES_MS,
  )
})
