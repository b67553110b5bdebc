import { execFile } from 'node:child_process'
import { symlink } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import {
  artifactOf,
  createLoader,
  createProject,
  type Files,
  loadFile,
  writeFiles,
} from './project.ts'

const OK = 'export default { fetch: () => new Response("ok") }'

/** Ids by the files they come from, of a folder. */
async function idsIn(files: Files, path = '.') {
  const folder = await createProject(files)
  const { functions, errors } = await createLoader(folder).load([join(folder, path)])
  expect(errors).toEqual([])
  return Object.fromEntries(
    functions.map(({ manifest, origin }) => [relative(folder, origin), manifest.id]),
  )
}

describe('the functions of a folder', () => {
  it('are its source files, named like them', async () => {
    expect(await idsIn({ 'a.ts': OK, 'b.mjs': OK, 'notes.md': 'no', 'c.json': '{}' })).toEqual({
      'a.ts': 'a',
      'b.mjs': 'b',
    })
  })

  it('are not its helpers, tests, declarations, hidden files and installed packages', async () => {
    expect(
      await idsIn({
        'a.ts': OK,
        '_shared.ts': OK,
        '.hidden.ts': OK,
        'a.test.ts': OK,
        'a.spec.js': OK,
        'types.d.ts': 'export {}',
        '_lib/index.ts': OK,
        '.git/index.js': OK,
        'node_modules/index.js': OK,
        'lib/helper.ts': OK,
      }),
    ).toEqual({ 'a.ts': 'a' })
  })

  it('are folders with an index or a main too, one function each, named like the folder', async () => {
    expect(
      await idsIn({
        'one/index.tsx': OK,
        'one/other.ts': OK,
        'two/package.json': '{"main":"src/start.ts"}',
        'two/src/start.ts': OK,
        'three/package.json': '{"main":"gone.js"}',
        'three/index.js': OK,
      }),
    ).toEqual({ 'one/index.tsx': 'one', 'three/index.js': 'three', 'two/src/start.ts': 'two' })
  })

  it('are the folder itself where it is one function', async () => {
    expect(await idsIn({ 'shop/index.ts': OK, 'shop/b.ts': OK }, 'shop')).toEqual({
      'shop/index.ts': 'shop',
    })
  })

  it('are what symbolic links point to, named like the links', async () => {
    const folder = await createProject({
      'lib/real.ts': `import { x } from './x.ts'\n${OK}\nx`,
      'lib/x.ts': 'export const x = 1',
      'functions/a.ts': OK,
    })
    await symlink(join(folder, 'lib/real.ts'), join(folder, 'functions/link.ts'))
    const { functions, errors } = await createLoader(folder).load([join(folder, 'functions')])
    expect(errors).toEqual([])
    expect(functions.map(({ manifest, origin }) => [manifest.id, origin])).toEqual([
      ['a', join(folder, 'functions/a.ts')],
      ['link', join(folder, 'lib/real.ts')],
    ])
  })

  it('are more than one for a file that declares several', async () => {
    const { functions } = await loadFile({
      'pair.ts': `import { FezzFunction } from 'fezz/decorators'
        @FezzFunction('a', '/a') export class A { fetch() { return new Response('a') } }
        @FezzFunction('b', '/b') export class B { fetch() { return new Response('b') } }`,
    })
    expect(functions.map(({ manifest }) => manifest.id)).toEqual(['a', 'b'])
    expect(new Set(functions.map(found => artifactOf(found).sha256)).size).toBe(1)
  })
})

describe('what is wrong', () => {
  it('with one file does not hide the others', async () => {
    const folder = await createProject({ 'a.ts': OK, 'b.ts': 'const =', 'c.ts': OK })
    const paths = [join(folder, 'gone.ts'), folder]
    const { functions, errors } = await createLoader(folder).load(paths)
    expect(functions.map(({ manifest }) => manifest.id)).toEqual(['a', 'c'])
    expect(errors.map(({ message }) => message.split('\n')[0])).toEqual([
      `${join(folder, 'gone.ts')}: there is no such file or folder`,
      `${join(folder, 'b.ts')}:1:7: Expected identifier but found "="`,
    ])
  })

  it('is an id that two files have; the message names both', async () => {
    const folder = await createProject({
      'a.ts': OK,
      'b.ts': `export const manifest = { id: 'a' }\n${OK}`,
    })
    const { functions, errors } = await createLoader(folder).load([folder])
    expect(functions.map(({ origin }) => origin)).toEqual([join(folder, 'a.ts')])
    expect(errors.map(({ code, message }) => [code, message])).toEqual([
      [
        'INVALID_MANIFEST',
        `${join(folder, 'b.ts')}: the id "a" is taken by ${join(folder, 'a.ts')}; rename one`,
      ],
    ])
  })

  it('is a folder without functions, and a file that is no source', async () => {
    const folder = await createProject({ 'notes.md': 'no' })
    const { errors } = await createLoader(folder).load([folder, join(folder, 'notes.md')])
    expect(errors.map(({ message }) => message)).toEqual([
      `${folder}: no functions in it; name a folder with .ts or .js files, a fezz.json, a requirements.txt or a go.mod`,
      `${join(folder, 'notes.md')}: not a source file; write .ts, .tsx, .mts, .cts, .js, .jsx, .mjs or .cjs`,
    ])
  })

  it('is a cache folder that cannot be made', async () => {
    const folder = await createProject({ 'a.ts': OK, file: '' })
    const loader = createLoader(folder, { cacheDir: join(folder, 'file') })
    const { errors } = await loader.load([join(folder, 'a.ts')])
    expect(errors[0]).toMatchObject({
      code: 'BUILD_FAILED',
      message: expect.stringContaining(join(folder, 'file')),
    })
  })
})

it('a folder that cannot be read for want of file descriptors has what it had before', async () => {
  const folder = await createProject({ 'a.ts': OK })
  const script = join(import.meta.dirname, 'no-descriptors-script.ts')
  const words = ['-c', 'ulimit -n 100; exec "$@"', 'sh', process.execPath, script, folder]
  const { stdout } = await promisify(execFile)('/bin/sh', words)
  const known = [join(folder, 'a.ts')]
  const [before, without] = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  expect(before).toEqual({ loaded: ['a'], errors: [], known })
  // One for the folder, one for the file: neither is taken to be gone.
  expect(without).toEqual({ loaded: [], errors: ['EMFILE', 'EMFILE'], known })
})

it('a file that is named twice is loaded once', async () => {
  const folder = await createProject({ 'a.ts': OK })
  const { functions, errors } = await createLoader(folder).load([folder, join(folder, 'a.ts')])
  expect([functions.length, errors.length]).toEqual([1, 0])
})

describe('the watch list', () => {
  const files = {
    'a.ts': `import { x } from './x.ts'\nimport 'pkg'\n${OK}\nx`,
    'x.ts': 'export const x = 1',
    'tsconfig.json': '{}',
    'node_modules/pkg/index.js': '',
  }
  const watchedOf = async (folder: string) => {
    const loader = createLoader(folder)
    await loader.load([join(folder, 'a.ts')])
    const paths = loader.watchList.get(join(folder, 'a.ts')) ?? []
    return paths.map(path => relative(folder, path)).filter(path => !path.startsWith('..'))
  }

  it('has the sources and what steers them, from a build and from the cache', async () => {
    const folder = await createProject(files)
    const expected = ['a.ts', 'package.json', 'tsconfig.json', 'x.ts']
    expect((await watchedOf(folder)).sort()).toEqual(expected)
    expect((await watchedOf(folder)).sort()).toEqual(expected)
  })

  it('has what a build has read that failed', async () => {
    const folder = await createProject(files)
    await writeFiles(folder, { 'x.ts': 'export const =' })
    expect((await watchedOf(folder)).sort()).toEqual([
      'a.ts',
      'package.json',
      'tsconfig.json',
      'x.ts',
    ])
  })
})
