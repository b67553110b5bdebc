import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { promisify, stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import { runCli, serve, temporaryFolder } from '../helpers/cli.ts'
import { binary } from '../services/binary.ts'

const QUICK = resolve(import.meta.dirname, 'functions/quick.ts')
const MACHINE_NODE = '/usr/bin/node'

describe('a mistake stops the start with one line that names it', () => {
  it.each([
    {
      what: 'an unknown setting in the environment',
      env: { FEZZ_PROT: '1' },
      line: 'unknown environment variable FEZZ_PROT; did you mean FEZZ_PORT?',
    },
    {
      what: 'a bad value in the environment',
      env: { FEZZ_IDLE_TTL: 'soon' },
      line: 'setting "idleTtl" from FEZZ_IDLE_TTL: "soon" is not a duration; write a number of seconds, or text such as "500ms", "30s", "5m", "1h"',
    },
    {
      what: 'a bad value of a flag',
      args: ['serve', QUICK, '--port', '99999'],
      line: 'setting "port" from --port: "99999" is not a whole number from 0 to 65535',
    },
    {
      what: 'an unknown flag',
      args: ['serve', QUICK, '--prot', '1'],
      line: 'unknown flag --prot; did you mean --port?',
    },
    {
      what: 'a flag without its value',
      args: ['serve', QUICK, '--port'],
      line: 'flag --port <number> argument missing',
    },
    {
      what: 'an unknown command',
      args: ['sevre'],
      line: 'unknown command sevre; did you mean serve?',
    },
    {
      what: 'a missing config file',
      args: ['serve', QUICK, '--config', '/nowhere/fezz.json'],
      line: 'config file /nowhere/fezz.json cannot be read: ENOENT',
    },
    {
      what: 'a missing path',
      args: ['serve', '/nowhere/functions'],
      line: '/nowhere/functions: there is no such file or folder',
    },
    {
      what: 'an address that this machine does not have',
      args: ['serve', QUICK, '--host', '192.0.2.1', '--port', '8123'],
      line: 'cannot listen on 192.0.2.1 port 8123: no network interface of this machine has the address; choose another --host',
    },
  ])('$what', async ({ args = ['serve', QUICK], env = {}, line }) => {
    const { code, stdout, stderr } = await runCli(args, { env })
    expect(stderr).toBe(`fezz: ${line}\n`)
    expect(stdout).toBe('')
    expect(code).toBe(1)
  })

  it('an empty folder', async () => {
    const folder = await temporaryFolder()
    const { code, stdout, stderr } = await runCli(['serve', folder])
    expect(stderr).toBe(
      `fezz: ${folder}: no functions in it; name a folder with .ts or .js files, a fezz.json, a requirements.txt or a go.mod\n`,
    )
    expect(stdout).toBe('')
    expect(code).toBe(1)
  })

  it('nothing to serve in the folder where it is started', async () => {
    const { code, stderr } = await runCli(['serve'], { cwd: await temporaryFolder() })
    expect(stderr).toMatch(/^fezz: nothing to serve: .* functions or examples .*\n$/)
    expect(code).toBe(1)
  })

  it('a port that is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    try {
      const { port } = other.address() as { port: number }
      const { code, stdout, stderr } = await runCli(['serve', QUICK, '--port', String(port)])
      expect(stderr).toBe(
        `fezz: cannot listen on 127.0.0.1 port ${port}: another program has taken it; choose another --port, or 0 for a free one\n`,
      )
      expect(stdout).toBe('')
      expect(code).toBe(1)
    } finally {
      other.close()
    }
  })

  it('the only function has the path of the host', async () => {
    const file = join(await temporaryFolder(), 'health.ts')
    await writeFile(
      file,
      `export default () => new Response()\nexport const manifest = { path: '/_health' }`,
    )
    const { code, stdout, stderr } = await runCli(['serve', file])
    expect(stderr).toMatch(/^fezz: Function "health": path "\/_health" belongs to the host.*\n$/)
    expect(stdout).toBe('')
    expect(code).toBe(1)
  })

  it('a function that does not build, with the place', async () => {
    const file = join(await temporaryFolder(), 'broken.ts')
    await writeFile(file, 'export default () => {\n  return = 1\n}\n')
    const { code, stdout, stderr } = await runCli(['serve', file])
    expect(stderr.split('\n')[0]).toMatch(`fezz: ${file}:2:10: Unexpected "="`)
    expect(stdout).toBe('')
    expect(code).toBe(1)
  })
})

it('a file with a mistake is told, and what is beside it is served', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'good.ts'), `export default () => new Response('good')`)
  await writeFile(join(folder, 'broken.ts'), 'export default {')
  await using host = await serve([folder])
  expect(await host.get('/good')).toBe('good')
  const errors = host.lines.filter(({ level }) => level === 'error')
  expect(errors).toMatchObject([{ code: 'BUILD_FAILED' }])
  expect(errors[0]?.msg).toContain(`${join(folder, 'broken.ts')}:1:`)
  expect(host.stderr).toBe('')
})

it('--version says the version of the package', async () => {
  const { version } = JSON.parse(await readFile('package.json', 'utf8'))
  expect(await runCli(['--version'])).toEqual({
    code: 0,
    signal: null,
    stdout: `${version}\n`,
    stderr: '',
  })
})

it('--help lists the commands, and serve --help every setting with its variable', async () => {
  const { code, stdout } = await runCli(['--help'])
  expect(stdout).toContain('serve [options] [path...]')
  expect(code).toBe(0)
  const help = await runCli(['serve', '--help'])
  expect(help.stdout).toMatch(/--idle-ttl <duration> .*\[FEZZ_IDLE_TTL\] \(default: 300s\)/)
  expect(help.stdout).toContain('--watch')
  expect(help.code).toBe(0)
})

it('flags are stronger than the environment, and that is stronger than the file', async () => {
  const file = join(await temporaryFolder(), 'fezz.json')
  await writeFile(
    file,
    JSON.stringify({ logLevel: 'silent', enableHealth: false, env: { A: '1' } }),
  )
  await using host = await serve([QUICK, '--config', file, '--log-level', 'info'], {
    env: { FEZZ_LOG_LEVEL: 'error' },
  })
  expect((await host.fetch('/_health')).status).toBe(404)
})

it('port 0 takes a free port, and the log says which', async () => {
  await using one = await serve([QUICK])
  await using other = await serve([QUICK])
  expect(one.port).toBeGreaterThan(0)
  expect(other.port).not.toBe(one.port)
  expect(await other.get('/quick')).toBe('quick')
})

const script = await binary('script', { env: 'FEZZ_SCRIPT', debianPackage: 'bsdutils' })

it.skipIf(script === undefined)(
  'on a terminal there are lines for people, then a table',
  async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'broken.ts'), 'export default {')
    await writeFile(
      join(folder, 'page.ts'),
      `export default () => new Response()
     export const manifest = { routes: ['/', { path: '/page/:number', method: ['PUT', 'GET'] }] }`,
    )
    const inTerminal = `'${process.execPath}' dist/cli.js serve '${folder}'`
    const { stdout } = await runCli([], {
      command: [script as string, '-qfec', inTerminal, '/dev/null'],
      stopAfter: /Unloaded.*\/page\/:number/s,
    })
    const shown = stripVTControlCharacters(stdout)
      .split('\r\n')
      .filter(line => line !== '')
    const linesWith = (text: string) => shown.findIndex(line => line.includes(text))
    expect(linesWith(`ERROR: ${join(folder, 'broken.ts')}:1:`)).toBe(0)
    expect(linesWith('INFO: listening on http://127.0.0.1:')).toBeGreaterThan(0)
    const table = linesWith('FUNCTION')
    expect(table).toBeGreaterThan(linesWith('INFO: listening'))
    expect(shown.slice(table, table + 3)).toEqual([
      'FUNCTION  METHODS  PATH           STATE',
      'page      GET      /              Unloaded',
      '          PUT,GET  /page/:number',
    ])
  },
)

it('elsewhere every line of standard output is JSON', async () => {
  await using host = await serve([QUICK])
  await host.get('/quick')
  expect(await host.stop()).toEqual({ code: 0, signal: null })
  expect(host.lines.map(({ msg }) => msg)).toContain('function loaded')
  expect(host.stderr).toBe('')
})

const machineVersion = await promisify(execFile)(MACHINE_NODE, ['--version']).then(
  ({ stdout }) => stdout.trim(),
  () => 'none',
)
const isTooOld = Number.parseInt(machineVersion.slice(1), 10) < 24

it.skipIf(!isTooOld)(
  `a Node that is too old (${machineVersion}) is told so in one line`,
  async () => {
    const { code, stdout, stderr } = await runCli(['serve', QUICK], {
      command: [MACHINE_NODE, 'dist/cli.js'],
    })
    expect(stderr).toMatch(/^fezz: this is Node \d.*; Fezz needs Node 24 or newer .*\n$/)
    expect(stdout).toBe('')
    expect(code).toBe(1)
  },
)

describe('compiled code is kept', () => {
  const name = `fezz-compiled-${process.getuid?.() ?? 'user'}`

  /** Runs a command whose temporary files go to `TMPDIR`. */
  const run = async (TMPDIR: string) => {
    const { code } = await runCli(['--version'], { env: { TMPDIR } })
    expect(code).toBe(0)
  }

  it('where nobody else can put any', async () => {
    const temporary = await temporaryFolder()
    await run(temporary)
    expect(await readdir(temporary)).toEqual([name])
    expect((await stat(join(temporary, name))).mode & 0o777).toBe(0o700)
    expect(await readdir(join(temporary, name))).toHaveLength(1)
  })

  it.each([
    {
      where: 'in a folder that others can write to',
      make: async (folder: string) => {
        await mkdir(folder)
        await chmod(folder, 0o777)
      },
    },
    {
      where: 'behind a link',
      make: async (folder: string) => symlink(await temporaryFolder(), folder),
    },
    ...(process.getuid?.() === 0
      ? [
          {
            where: 'in a folder of somebody else',
            make: async (folder: string) => {
              await mkdir(folder)
              await chown(folder, 65534, 65534)
            },
          },
        ]
      : []),
  ])('never $where', async ({ make }) => {
    const temporary = await temporaryFolder()
    const folder = join(temporary, name)
    await make(folder)
    await run(temporary)
    expect(await readdir(folder)).toEqual([])
  })
})
