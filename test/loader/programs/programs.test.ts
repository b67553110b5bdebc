// biome-ignore-all lint/suspicious/noTemplateCurlyInString: a shell fills them in

import { chmod, readdir, readFile, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import type { ProgramCode } from '../../../src/function/contract.ts'
import type { LoadedFunction } from '../../../src/loader/loaded-function.ts'
import type { Logger } from '../../../src/telemetry/logger.ts'
import { createLoader, createProject, type Files, silent, writeFiles } from '../project.ts'
import { withoutTool, wordsRuntime } from './words-runtime.ts'

function programOf(found: LoadedFunction | undefined): ProgramCode {
  if (found?.code.kind === 'program') return found.code
  throw new Error(`no program was loaded, but ${found?.code.kind}`)
}

/** Loads the folder `app` of a new project by the runtime `words`. */
async function loadApp(files: Files, runtime: Files = {}) {
  const folder = await createProject(files)
  const runtimesDir = await wordsRuntime(runtime)
  const loader = createLoader(folder, { runtimesDir })
  const load = async () => {
    const result = await loader.load([join(folder, 'app')])
    return { ...result, messages: result.errors.map(({ message }) => message) }
  }
  return { folder, runtimesDir, loader, load, ...(await load()) }
}

async function builtBy(code: ProgramCode): Promise<{ cwd: string; env: Record<string, string> }> {
  return JSON.parse(await readFile(join(code.folder, 'built.json'), 'utf8'))
}

describe('a program', () => {
  it('is started as its runtime says, in a copy of its folder', async () => {
    const { folder, runtimesDir, functions } = await loadApp({
      'app/words.txt': 'hello',
      'app/deep/more.txt': 'more',
      'app/out/left.txt': '',
      'app/.git/config': '',
    })
    const code = programOf(functions[0])
    const packages = code.command[2] as string
    expect(code).toEqual({
      kind: 'program',
      sha256: expect.stringMatching(/^[\da-f]{64}$/),
      folder: expect.stringContaining(join(folder, '.cache/programs/')),
      command: [process.execPath, join(runtimesDir, 'words/run.mjs'), packages],
      protocol: 'http',
      env: { VERSION: '1.2' },
      reads: [join(runtimesDir, 'words'), packages, '/home'],
      image: 'example.com/words:1.2',
    })
    expect(packages).toContain(join(folder, '.cache/packages/'))
    expect(await readFile(join(code.folder, 'deep/more.txt'), 'utf8')).toBe('more')
    expect((await readdir(code.folder)).sort()).toEqual(['built.json', 'deep', 'words.txt'])
    expect(functions[0]).toMatchObject({
      origin: join(folder, 'app'),
      manifest: { id: 'app', routes: [{ path: '/app', methods: 'ANY' }, { path: '/app/*' }] },
    })
  })

  it('is found by whoever is told where it is, and by nobody else', async () => {
    const { folder, functions } = await loadApp({ 'app/words.txt': '', 'app/secret.txt': '' })
    const modeOf = async (path: string) => (await stat(path)).mode & 0o777
    expect(await modeOf(join(folder, '.cache/programs'))).toBe(0o711)
    expect(await modeOf(join(folder, '.cache/packages'))).toBe(0o711)
    expect((await modeOf(programOf(functions[0]).folder)) & 0o005).toBe(0o005)
  })

  it('is logged when it is built, and not when it comes from the cache', async () => {
    const info = vi.fn<Logger['info']>()
    const folder = await createProject({ 'app/words.txt': 'hello' })
    const runtimesDir = await wordsRuntime()
    const loader = createLoader(folder, { runtimesDir, log: { ...silent, info } })
    await loader.load([join(folder, 'app')])
    await loader.load([join(folder, 'app')])
    const told = { folder: join(folder, 'app'), runtime: 'words' }
    expect(info.mock.calls).toEqual([
      [told, 'installing packages'],
      [told, 'building a program'],
    ])
  })

  it('keeps what may be executed so', async () => {
    const { folder, load } = await loadApp({ 'app/words.txt': '', 'app/run.sh': '' })
    await chmod(join(folder, 'app/run.sh'), 0o755)
    const { folder: copy } = programOf((await load()).functions[0])
    expect((await stat(join(copy, 'run.sh'))).mode & 0o111).toBe(0o111)
    expect((await stat(join(copy, 'words.txt'))).mode & 0o111).toBe(0)
  })

  it('gets the words that a build step adds to its command', async () => {
    const { functions } = await loadApp({ 'app/words.txt': '', 'app/arguments.txt': 'a b' })
    expect(programOf(functions[0]).command.slice(3)).toEqual(['a', 'b'])
  })

  it('runs what its fezz.json says in place of all that, word for word', async () => {
    const { functions } = await loadApp({
      'app/words.txt': '',
      'app/fezz.json': '{ "command": ["sh", "-c", "echo ${HOME}"], "protocol": "bootstrap" }',
    })
    expect(programOf(functions[0])).toMatchObject({
      command: ['sh', '-c', 'echo ${HOME}'],
      protocol: 'bootstrap',
      env: { VERSION: '1.2' },
    })
  })

  it('needs no runtime when it has a command', async () => {
    const { functions } = await loadApp({
      'app/run.sh': 'echo hello',
      'app/fezz.json': '{ "command": "sh run.sh", "protocol": "bootstrap" }',
    })
    const code = programOf(functions[0])
    expect(code).toMatchObject({ command: ['sh', 'run.sh'], env: {}, reads: [] })
    expect(await readdir(code.folder)).toEqual(['run.sh'])
  })

  it('in a container has what the image has instead of what the machine has', async () => {
    const { functions } = await loadApp({
      'app/words.txt': '',
      'app/fezz.json': '{ "executor": "container" }',
    })
    const { command, env, reads } = programOf(functions[0])
    expect([command, env]).toEqual([['words'], {}])
    expect(reads).not.toContain('/home')
  })

  it('is built with few of the variables of the host', async () => {
    process.env['WORDS_WANTED'] = 'yes'
    process.env['FEZZ_ENV_SECRET'] = 'hunter2'
    try {
      const { functions } = await loadApp({ 'app/words.txt': '' })
      const { cwd, env } = await builtBy(programOf(functions[0]))
      expect(env).toMatchObject({
        WORDS_WANTED: 'yes',
        WORDS_FOLDER: cwd,
        HOME: process.env['HOME'],
      })
      expect(Object.keys(env)).not.toContain('FEZZ_ENV_SECRET')
    } finally {
      delete process.env['WORDS_WANTED']
      delete process.env['FEZZ_ENV_SECRET']
    }
  })
})

describe('a build', () => {
  const FILES = { 'app/words.txt': 'hello' }

  it('is done once for the same files', async () => {
    const { folder, runtimesDir, functions, built, load } = await loadApp(FILES)
    expect(built).toEqual([join(folder, 'app')])
    const again = await load()
    expect([again.built, again.functions]).toEqual([[], functions])
    const other = await createLoader(folder, { runtimesDir }).load([join(folder, 'app')])
    expect([other.built, other.functions]).toEqual([[], functions])
  })

  it('is done anew when a file changes, and then not for the one before', async () => {
    const { folder, functions, load } = await loadApp(FILES)
    const before = programOf(functions[0])
    await writeFiles(folder, { 'app/words.txt': 'bye' })
    const changed = await load()
    expect(changed.built).toHaveLength(1)
    expect(programOf(changed.functions[0]).sha256).not.toBe(before.sha256)
    await writeFiles(folder, { 'app/words.txt': 'hello' })
    const back = await load()
    expect([back.built, programOf(back.functions[0])]).toEqual([[], before])
  })

  it.each<[string, Files]>([
    ['becomes executable or has another name', { 'app/words.txt': 'hello', 'app/new.txt': '' }],
    ['goes elsewhere', { 'app/deep/words.txt': 'hello' }],
  ])('is done anew when a file %s', async (_, files) => {
    const { folder, load } = await loadApp(FILES)
    await writeFiles(folder, files)
    expect((await load()).built).toHaveLength(1)
  })

  it('is done anew when its runtime changes', async () => {
    const { folder, runtimesDir } = await loadApp(FILES)
    await writeFiles(runtimesDir, { 'words/run.mjs': '// another one' })
    const { built } = await createLoader(folder, { runtimesDir }).load([join(folder, 'app')])
    expect(built).toHaveLength(1)
  })

  it('is not done anew for another declaration; the version is another one all the same', async () => {
    const { folder, functions, load } = await loadApp(FILES)
    const before = programOf(functions[0])
    await writeFiles(folder, { 'app/fezz.json': '{ "timeout": "5s" }' })
    const slower = await load()
    expect(slower.functions[0]?.manifest.timeoutMs).toBe(5_000)
    expect([slower.built, programOf(slower.functions[0])]).toEqual([[], before])
    await writeFiles(folder, { 'app/fezz.json': '{ "command": "run" }' })
    const other = programOf((await load()).functions[0])
    expect([other.folder, other.sha256 === before.sha256]).toEqual([before.folder, false])
  })

  it('is of the same version wherever the cache is', async () => {
    const { folder, runtimesDir, functions } = await loadApp(FILES)
    const cacheDir = join(folder, 'elsewhere')
    const loader = createLoader(folder, { runtimesDir, cacheDir })
    const other = programOf((await loader.load([join(folder, 'app')])).functions[0])
    expect(other.sha256).toBe(programOf(functions[0]).sha256)
    expect(other.folder).toContain(cacheDir)
  })

  it('shares packages between functions that ask for the same', async () => {
    const packagesOf = async (files: Files) =>
      programOf((await loadApp(files)).functions[0]).command[2] as string
    const folder = await createProject({
      'a/words.txt': 'a',
      'b/words.txt': 'b',
      'c/words.txt': 'c',
      'c/words.lock': 'others',
      'd/words.txt': 'd',
      'd/more/any.lock': 'others',
      'e/words.txt': 'e',
      'e/any.lock': 'others',
    })
    const loader = createLoader(folder, { runtimesDir: await wordsRuntime() })
    const { functions } = await loader.load([folder])
    const [a, b, c, d, e] = functions.map(found => programOf(found).command[2])
    expect(a).toBe(b)
    expect(e).toBe(a)
    expect(new Set([a, c, d]).size).toBe(3)
    expect(await packagesOf({ 'app/words.txt': '', 'app/vendor/x.txt': '' })).toBe('')
  })

  it('may be done by several at once', async () => {
    const { folder, runtimesDir } = await loadApp({ 'app/other.txt': '' })
    await writeFiles(folder, FILES)
    const results = await Promise.all(
      Array.from({ length: 4 }, () =>
        createLoader(folder, { runtimesDir }).load([join(folder, 'app')]),
      ),
    )
    for (const { errors } of results) expect(errors).toEqual([])
    expect(new Set(results.map(({ functions }) => programOf(functions[0]).folder)).size).toBe(1)
    expect(await readdir(join(folder, '.cache/programs'))).toHaveLength(1)
    expect(await readdir(join(folder, '.cache/packages'))).toHaveLength(1)
  })

  it('that fails leaves nothing, and shows the end of what the tool has said', async () => {
    const { folder, functions, errors, messages, load } = await loadApp({
      ...FILES,
      'app/broken.txt': '',
    })
    expect(functions).toEqual([])
    expect(errors[0]?.code).toBe('BUILD_FAILED')
    const app = join(folder, 'app')
    const lines = Array.from({ length: 30 }, (_, at) => `  ${app}: line ${at + 11}`)
    const end = `  ${process.execPath} ended with 1`
    expect(messages).toEqual([[`${app}: runtime words cannot build it:`, ...lines, end].join('\n')])
    expect(await readdir(join(folder, '.cache/programs'))).toEqual([])
    expect((await load()).messages).toEqual(messages)
  })

  it('that fails keeps to itself what the tool was entrusted with', async () => {
    vi.stubEnv('WORDS_INDEX', 'https://somebody:hunter22@words.example/simple')
    vi.stubEnv('WORDS_TOKEN', 'hunter23')
    const { messages } = await loadApp(FILES, {
      'words/build.mjs': `
        console.error('no words at', process.env.WORDS_INDEX, 'with', process.env.WORDS_TOKEN)
        process.exit(1)`,
    }).finally(() => vi.unstubAllEnvs())
    expect(messages[0]).toContain(
      'no words at https://[redacted]@words.example/simple with [redacted]',
    )
    expect(messages[0]).not.toContain('hunter')
  })

  it('says what to do when the tool is missing', async () => {
    const { folder, messages } = await loadApp(FILES, withoutTool())
    expect(messages).toEqual([`${join(folder, 'app')}: runtime words: install the words`])
  })

  it('refuses a link that leads out of the folder, and keeps the others', async () => {
    const { folder, load } = await loadApp(FILES)
    await symlink('words.txt', join(folder, 'app/same.txt'))
    // As Kubernetes mounts a ConfigMap.
    await writeFiles(folder, { 'app/..2026/conf.txt': 'mounted' })
    await symlink('..2026', join(folder, 'app/..data'))
    await symlink('..data/conf.txt', join(folder, 'app/conf.txt'))
    const { folder: copy } = programOf((await load()).functions[0])
    expect(await readFile(join(copy, 'same.txt'), 'utf8')).toBe('hello')
    expect(await readFile(join(copy, 'conf.txt'), 'utf8')).toBe('mounted')
    await symlink('../secret.txt', join(folder, 'app/out.txt'))
    expect((await load()).messages).toEqual([
      `${join(folder, 'app/out.txt')} is a link that leads out of the folder, to ../secret.txt; put the file itself there`,
    ])
  })
})

it('the watch list of a program has its files and its declaration, also when it does not build', async () => {
  const { folder, loader, load } = await loadApp({ 'app/words.txt': '', 'app/deep/a.txt': '' })
  const app = join(folder, 'app')
  const expected = ['deep/a.txt', 'fezz.json', 'words.txt'].map(name => join(app, name))
  expect(Array.from(loader.watchList.get(app) ?? []).sort()).toEqual(expected)
  await writeFiles(folder, { 'app/broken.txt': '' })
  await load()
  expect(loader.watchList.get(app)).toHaveLength(4)
  await writeFiles(folder, { 'app/fezz.json': '{' })
  await load()
  expect(loader.watchList.get(app)).toEqual([join(app, 'fezz.json')])
})
