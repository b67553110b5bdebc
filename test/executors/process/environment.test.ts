import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkManifest } from '../../../src/function/manifest-schema.ts'
import { artifactOf, call, inNewFolder, ProcessWorld, type Program } from './setup.ts'

/** A shell script that is run for each request. */
function script(text: string, more: Partial<Program> = {}): Program {
  return { files: {}, command: ['sh', '-c', text], protocol: 'bootstrap', ...more }
}

describe('the surroundings of a process', () => {
  let world: ProcessWorld
  beforeAll(async () => {
    process.env['HOST_SECRET'] = 'secret'
    world = await ProcessWorld.open()
  })
  afterAll(async () => {
    delete process.env['HOST_SECRET']
    await world[Symbol.asyncDispose]()
  })

  const textOf = async (...args: Parameters<ProcessWorld['load']>): Promise<string> =>
    (await call(await world.load(...args))).text()

  it('has the variables of its manifest and its runtime, and none of the host', async () => {
    const program = script('env', { env: { A: 'runtime', B: 'runtime' } })
    const lines = (await textOf(program, { env: { A: 'manifest' } })).trim().split('\n')
    const variables = new Map(lines.map(line => line.split('=', 2) as [string, string]))
    expect([...variables.keys()].sort()).toEqual([
      'A',
      'B',
      'FEZZ_FUNCTION_ID',
      'FEZZ_FUNCTION_VERSION',
      'FEZZ_INSTANCE',
      'HOME',
      'LANG',
      'PATH',
      'PWD',
      'TMPDIR',
    ])
    expect(variables.get('A')).toBe('manifest')
    expect(variables.get('B')).toBe('runtime')
    expect(variables.get('FEZZ_FUNCTION_ID')).toBe('program')
    expect(variables.get('FEZZ_FUNCTION_VERSION')).toBe('v1')
  })

  it('has its variables as they are, also those that mean something to a shell', async () => {
    const env = { IFS: '/', OPTIND: 'none', go: 'on', LD_LIBRARY_PATH: '/none', ENV: 'test' }
    const show = 'console.log(JSON.stringify(process.env))'
    const program: Program = {
      files: {},
      command: [process.execPath, '-e', show],
      protocol: 'bootstrap',
    }
    expect(JSON.parse(await textOf(program, { env }))).toMatchObject(env)
  })

  it('leaves to itself what loads other code into a program, not to the tools around it', async () => {
    const folder = inNewFolder()
    const command = [process.execPath, '-e', '']
    // The loader of Linux notes which programs it starts.
    const env = { LD_DEBUG: 'files', LD_DEBUG_OUTPUT: join(folder, 'loaded') }
    await textOf({ files: {}, command, protocol: 'bootstrap' }, { env })
    const notes = readdirSync(folder).map(name => readFileSync(join(folder, name), 'utf8'))
    const started = notes.join('').matchAll(/initialize program: (.*)/g)
    expect(Array.from(started, ([, program]) => program)).toEqual([process.execPath])
  })

  it('is the folder of the program, with a home of its own that goes with it', async () => {
    const text = await textOf({
      ...script('cat data; touch "$HOME/a" "$TMPDIR/b"; echo "$HOME"'),
      files: { data: 'of the folder\n' },
    })
    const [data, home] = text.split('\n')
    expect(data).toBe('of the folder')
    expect(home).toContain(world.runFolder.path)
    expect(existsSync(home as string)).toBe(false)
  })

  it('is as clean for JavaScript, warm or not', async () => {
    const code = await artifactOf(
      'export default () => Response.json({ env: process.env, cwd: process.cwd() })',
    )
    for (const warm of [0, 1]) {
      await using other = await ProcessWorld.open({ warm })
      const manifest = checkManifest({ id: 'js', version: 'v2', env: { A: 'b' } }, 'js')
      const deployment = { manifest, code, env: { A: 'b' } }
      other.executor.prepare(deployment)
      const response = await call(await other.executor.load(deployment))
      const { env, cwd } = (await response.json()) as { env: Record<string, string>; cwd: string }
      expect(env).toMatchObject({ A: 'b', FEZZ_FUNCTION_ID: 'js', FEZZ_FUNCTION_VERSION: 'v2' })
      expect(Object.keys(env)).not.toContain('HOST_SECRET')
      expect(Object.keys(env).filter(name => name.startsWith('NODE_'))).toEqual([])
      expect(cwd).toBe(env['HOME'])
    }
  })

  describe.skipIf(process.getuid?.() !== 0)('of another user', () => {
    it('are open to it, and its own', async () => {
      const text = await textOf(script('id -u; id -g; id -G; touch "$HOME/a" && echo "$HOME"'), {
        user: 'nobody',
      })
      const [uid, gid, groups, home] = text.split('\n')
      expect([uid, gid, groups]).toEqual(['65534', '65534', '65534'])
      expect(home).toContain(world.runFolder.path)
    })

    it('takes numbers, and a group', async () => {
      const text = await textOf(script('id -u; id -g'), { user: '12345:54321' })
      expect(text).toBe('12345\n54321\n')
    })

    it('cannot see what other instances have', async () => {
      const neighbour = await world.load(script('echo "$HOME"; sleep 1'))
      const looking = script(
        `ls ${world.runFolder.path} 2>&1; ls ${world.runFolder.path}/*/home 2>&1; true`,
      )
      const [, seen] = await Promise.all([call(neighbour), textOf(looking, { user: 'nobody' })])
      expect(seen).toContain('Permission denied')
      expect(statSync(world.runFolder.path).mode & 0o066).toBe(0)
    })

    it.each([
      ['nobody-like-that', 'no such user'],
      ['nobody:nothing-like-that', 'no such group'],
      ['54321', 'write user:group'],
    ])('is refused when the machine does not know %s', async (user, message) => {
      await expect(world.load(script('id'), { user })).rejects.toMatchObject({
        code: 'INVALID_MANIFEST',
        message: expect.stringContaining(message),
      })
    })
  })

  it.skipIf(process.getuid?.() === 0)('cannot be those of another user', async () => {
    await expect(world.load(script('id'), { user: 'nobody' })).rejects.toThrow('runs as root')
  })
})
