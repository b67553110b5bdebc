import { execFile } from 'node:child_process'
import { readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { artifactOf, createLoader, createProject, evaluateFirst, writeFiles } from './project.ts'

const run = promisify(execFile)
const LOAD_SCRIPT = join(import.meta.dirname, '../fixtures/loader/load.ts')

const FILES = {
  'hello.ts': `import { name } from './name.ts'
    export default { fetch: () => new Response('Hello, ' + name) }`,
  'name.ts': 'export const name = "Ada"',
}

async function textOf(folder: string) {
  const result = await createLoader(folder).load([join(folder, 'hello.ts')])
  const { exports } = await evaluateFirst(result)
  const response = await exports.default.fetch(new Request('http://localhost/'))
  return {
    text: await response.text(),
    built: result.built.length,
    code: artifactOf(result.functions[0]),
  }
}

describe('a second load', () => {
  it('gives the same functions without building', async () => {
    const folder = await createProject(FILES)
    const first = await createLoader(folder).load([join(folder, 'hello.ts')])
    expect(first.built).toEqual([join(folder, 'hello.ts')])
    const second = await createLoader(folder).load([join(folder, 'hello.ts')])
    expect(second.built).toEqual([])
    expect(second.functions).toEqual(first.functions)
    expect(JSON.stringify(second.functions)).toBe(JSON.stringify(first.functions))
  })

  it('neither starts the bundler nor evaluates anything, in a process of its own', async () => {
    const folder = await createProject({
      'hello.ts': `console.log('evaluated')\n${FILES['hello.ts']}`,
      'name.ts': FILES['name.ts'],
    })
    const load = (env: object) =>
      run(process.execPath, [LOAD_SCRIPT, join(folder, '.cache'), join(folder, 'hello.ts')], {
        env: { ...process.env, ...env },
      })
    const cold = await load({})
    expect(JSON.parse(cold.stdout)).toMatchObject({ ids: ['hello'], built: 1, threads: 1 })
    expect(cold.stderr).toContain('evaluated')
    const warm = await load({ ESBUILD_BINARY_PATH: '/nonexistent' })
    expect(JSON.parse(warm.stdout)).toEqual({ ids: ['hello'], built: 0, errors: [], threads: 0 })
    expect(warm.stderr).toBe('')
  })

  it('builds again when a source has changed, even to the same length', async () => {
    const folder = await createProject(FILES)
    expect(await textOf(folder)).toMatchObject({ text: 'Hello, Ada', built: 1 })
    await writeFile(join(folder, 'name.ts'), 'export const name = "Bob"')
    expect(await textOf(folder)).toMatchObject({ text: 'Hello, Bob', built: 1 })
  })

  it('does not build when a source was only touched', async () => {
    const folder = await createProject(FILES)
    await textOf(folder)
    await utimes(join(folder, 'name.ts'), new Date(), new Date(Date.now() + 60_000))
    expect(await textOf(folder)).toMatchObject({ built: 0 })
  })

  it('finds a build whose inputs have gone back to what they were', async () => {
    const folder = await createProject(FILES)
    const first = await textOf(folder)
    await writeFile(join(folder, 'name.ts'), 'export const name = "Bob"')
    await textOf(folder)
    await writeFile(join(folder, 'name.ts'), FILES['name.ts'])
    expect((await textOf(folder)).code).toEqual(first.code)
  })

  it.each([
    ['a tsconfig.json appears', { 'tsconfig.json': '{}' }],
    ['a package.json appears', { 'package.json': '{"type":"commonjs"}' }],
    [
      'what tsconfig.json extends changes',
      { 'base.json': '{"compilerOptions":{"target":"es2020"}}' },
    ],
    ['an installed package changes', { 'node_modules/x/package.json': '{"main":"b.js"}' }],
  ])('builds again when %s', async (event, change) => {
    const folder = await createProject({
      ...FILES,
      'hello.ts': `import 'x'\n${FILES['hello.ts']}`,
      'node_modules/x/package.json': '{"main":"a.js"}',
      'node_modules/x/a.js': 'exports.a = 1',
      'node_modules/x/b.js': 'exports.b = 1',
      ...(event.includes('extends') && {
        'tsconfig.json': '{\n  // inherited\n  "extends": "./base.json"\n}',
        'base.json': '{}',
      }),
    })
    await textOf(folder)
    expect(await textOf(folder)).toMatchObject({ built: 0 })
    await writeFiles(folder, change as Record<string, string>)
    expect(await textOf(folder)).toMatchObject({ built: 1 })
  })
})

describe('a damaged cache', () => {
  const filesBelow = async (folder: string) =>
    (await readdir(folder, { recursive: true, withFileTypes: true }))
      .filter(found => found.isFile())
      .map(found => join(found.parentPath, found.name))

  it.each(['bundle.cjs', 'bundle.cjs.map', 'manifest.json', '.json'])(
    'is built again when %s is cut short or gone',
    async ending => {
      const folder = await createProject(FILES)
      await textOf(folder)
      const paths = (await filesBelow(join(folder, '.cache'))).filter(path => path.endsWith(ending))
      expect(paths).not.toEqual([])
      for (const path of paths) await truncate(path, 0)
      expect(await textOf(folder)).toMatchObject({ text: 'Hello, Ada', built: 1 })
      for (const path of paths) await rm(path)
      expect(await textOf(folder)).toMatchObject({ text: 'Hello, Ada', built: 1 })
      expect(await textOf(folder)).toMatchObject({ built: 0 })
    },
  )

  it('is built again when a bundle has other content of the same size', async () => {
    const folder = await createProject(FILES)
    const { code } = await textOf(folder)
    const path = join(code.folder, 'bundle.cjs')
    await writeFile(path, Buffer.alloc((await stat(path)).size))
    expect(await textOf(folder)).toMatchObject({ text: 'Hello, Ada', built: 1 })
  })

  it('with other V8 data than its own is repaired when it is used', async () => {
    const folder = await createProject(FILES)
    const { code } = await textOf(folder)
    const name = (await readdir(code.folder)).find(file => file.includes('.v8-')) as string
    const path = join(code.folder, name)
    const whole = await readFile(path)
    const checksum = (content: Buffer) =>
      crc32(content.subarray(0, -4)) === content.readUInt32LE(content.length - 4)
    expect(checksum(whole)).toBe(true)
    for (const damaged of [
      Buffer.alloc(0),
      Buffer.from('nonsense'),
      Buffer.from(whole).fill(1, 40, 80),
    ]) {
      await writeFile(path, damaged)
      expect(await textOf(folder)).toMatchObject({ text: 'Hello, Ada', built: 0 })
      const repaired = await readFile(path)
      expect(repaired.length).toBeGreaterThan(100)
      expect(checksum(repaired)).toBe(true)
    }
  })
})

it('several loaders at once fill one cache with whole files', async () => {
  const folder = await createProject(FILES)
  const outcomes = await Promise.all(Array.from({ length: 4 }, () => textOf(folder)))
  expect(new Set(outcomes.map(({ text }) => text))).toEqual(new Set(['Hello, Ada']))
  const { folder: artifact } = outcomes[0]!.code
  const names = (await readdir(artifact)).filter(name => !name.includes('.v8-')).sort()
  expect(names).toEqual(['bundle.cjs', 'bundle.cjs.map', 'manifest.json'])
  expect((await stat(join(artifact, 'bundle.cjs'))).size).toBeGreaterThan(0)
})
