// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is Fezz that fills them in

import { join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createLoader, createProject, type Files } from '../project.ts'
import { wordsRuntime } from './words-runtime.ts'

const OK = 'export default { fetch: () => new Response("ok") }'
const NODE = '{ "scripts": { "start": "node server.js" } }'
const OTHERS: Files = {
  'javascript/runtime.json': JSON.stringify({
    markers: [{ file: 'package.json', field: 'scripts.start', unlessFile: 'main' }],
    tool: { version: ['${node}', '--version'], missing: 'install Node' },
    command: ['node'],
  }),
}

/** What a path of a new project holds, as `id: kind`, and the messages about the rest. */
async function load(files: Files, path = '.') {
  const folder = await createProject(files)
  const loader = createLoader(folder, { runtimesDir: await wordsRuntime(OTHERS) })
  const { functions, errors } = await loader.load([join(folder, path)])
  return {
    kinds: Object.fromEntries(functions.map(({ manifest, code }) => [manifest.id, code.kind])),
    origins: functions.map(({ origin }) => relative(folder, origin)),
    functions,
    messages: errors.map(({ message }) => message.replaceAll(folder, '')),
  }
}

describe('a folder', () => {
  it.each<[string, Files, object]>([
    ['with the marker of a runtime', { 'a/words.txt': '' }, { a: 'program' }],
    ['with a start script', { 'a/package.json': NODE, 'a/bin/www': '' }, { a: 'program' }],
    [
      'with a start script that names a file of it',
      { 'a/package.json': NODE, 'a/server.js': '', 'a/routes.js': '' },
      { a: 'program' },
    ],
    [
      'with a fezz.json and a weak marker',
      { 'a/maybe.txt': '', 'a/fezz.json': '{}' },
      { a: 'program' },
    ],
    ['with an image', { 'a/fezz.json': '{ "image": "example.com/a:1" }' }, { a: 'image' }],
    ['with a command', { 'a/fezz.json': '{ "command": "x", "id": "b" }' }, { b: 'program' }],
    [
      'with a runtime',
      { 'a/index.ts': OK, 'a/fezz.json': '{ "runtime": "words" }' },
      { a: 'program' },
    ],
    ['with an index and a fezz.json', { 'a/index.ts': OK, 'a/fezz.json': '{}' }, { a: 'artifact' }],
    [
      'with a main, a start script and a fezz.json',
      {
        'a/package.json': '{ "main": "a.js", "scripts": { "start": "x" } }',
        'a/a.js': OK,
        'a/fezz.json': '{}',
      },
      { a: 'artifact' },
    ],
  ])('%s is one function', async (_, files, kinds) => {
    expect(await load({ 'hello.ts': OK, ...files })).toMatchObject({
      kinds: { hello: 'artifact', ...kinds },
      messages: [],
    })
    expect(await load(files, 'a')).toMatchObject({ kinds, messages: [] })
  })

  it.each<[string, Files]>([
    ['an index', { 'a/index.ts': OK, 'a/words.txt': '' }],
    ['a start script beside an index', { 'a/index.js': OK, 'a/package.json': NODE }],
    [
      'a main',
      { 'a/package.json': '{ "main": "m.js", "scripts": { "start": "x" } }', 'a/m.js': OK },
    ],
  ])('with %s and no fezz.json is JavaScript, whatever else is there', async (_, files) => {
    expect((await load(files)).kinds).toEqual({ a: 'artifact' })
  })

  it('with a weak marker alone is none', async () => {
    expect((await load({ 'hello.ts': OK, 'a/maybe.txt': '' })).kinds).toEqual({ hello: 'artifact' })
  })

  it('of functions is not a program for its own start script', async () => {
    const { kinds } = await load({ 'hello.ts': OK, 'package.json': NODE, 'a/words.txt': '' })
    expect(kinds).toEqual({ a: 'program', hello: 'artifact' })
    const start = '{ "scripts": { "start": "fezz serve hello.ts" } }'
    expect((await load({ 'hello.ts': OK, 'package.json': start })).kinds).toEqual({
      hello: 'artifact',
    })
  })
})

it('what is within a program is none of the functions', async () => {
  const files = { 'a/words.txt': '', 'a/frontend/package.json': NODE }
  expect((await load(files)).kinds).toEqual({ a: 'program' })
  expect((await load(files, 'a')).kinds).toEqual({ a: 'program' })
})

describe('a fezz.json', () => {
  it('declares the function of its folder', async () => {
    const declared = { id: 'x', path: '/x', timeout: '2s', memory: '64MiB', $schema: 'y' }
    const { functions } = await load({ 'a/words.txt': '', 'a/fezz.json': JSON.stringify(declared) })
    expect(functions[0]?.manifest).toMatchObject({
      id: 'x',
      routes: [{ path: '/x', methods: ['GET'] }],
      timeoutMs: 2_000,
      execution: { memoryBytes: 64 * 2 ** 20 },
    })
  })

  it('declares JavaScript too, which then does not declare itself', async () => {
    const files = { 'a/index.ts': OK, 'a/fezz.json': '{ "executor": "thread", "path": "/b" }' }
    const { functions, origins } = await load(files)
    expect(functions[0]?.manifest).toMatchObject({
      id: 'a',
      routes: [{ path: '/b' }],
      execution: { executor: 'thread' },
    })
    expect(origins).toEqual(['a'])
    const itself = `export const manifest = { path: '/c' }\n${OK}`
    expect((await load({ ...files, 'a/index.ts': itself })).messages).toEqual([
      '/a/index.ts declares its function, and so does /a/fezz.json; remove one',
    ])
  })

  it('may be named itself', async () => {
    const files = { 'a/words.txt': '', 'a/fezz.json': '{}' }
    expect(await load(files, 'a/fezz.json')).toMatchObject({
      kinds: { a: 'program' },
      origins: ['a'],
    })
  })

  it.each<[string, string]>([
    ['{ "path": ', '/a/fezz.json: is not JSON; look at '],
    ['{\n "path": x }', '/a/fezz.json: is not JSON; look at its quotes'],
    ['{ "path": "/x",\n}', '/a/fezz.json: is not JSON; look at line 2 column 1'],
    ['[]', '/a/fezz.json: is not an object; write one, such as { "path": "/hello" }'],
    ['{ "timeout": "soon" }', '/a/fezz.json: Function "a" (fezz.json): timeout "soon" is not a'],
    ['{ "tiemout": 1 }', '/a/fezz.json: Function "a" (fezz.json): tiemout is not a field; did you'],
    [
      '{ "image": "a b" }',
      '/a/fezz.json: Function "a" (fezz.json): image "a b" is not valid; name',
    ],
    ['{ "runtime": "cobol" }', '/a: runtime "cobol" is not known; there are javascript, words'],
    ['{ "image": "a", "runtime": "words" }', 'image and runtime exclude each other; remove one'],
    ['{}', '/a/fezz.json: nothing tells what the function is; write an image, a runtime or a com'],
  ])('with %j is refused, and hides no other function', async (text, message) => {
    const { kinds, messages } = await load({ 'hello.ts': OK, 'a/fezz.json': text })
    expect(kinds).toEqual({ hello: 'artifact' })
    expect(messages).toEqual([expect.stringContaining(message)])
  })

  it('has to say which where two runtimes fit', async () => {
    const files = { 'a/words.txt': '', 'a/package.json': NODE, 'a/server.js': '' }
    expect((await load(files)).messages).toEqual([
      '/a: it looks like javascript and like words; write { "runtime": "javascript" } into its fezz.json',
    ])
    const chosen = { ...files, 'a/fezz.json': '{ "runtime": "words" }' }
    expect(await load(chosen)).toMatchObject({ kinds: { a: 'program' }, messages: [] })
  })
})

describe('a declaration alone', () => {
  it('is an image, named like the file', async () => {
    const image = { image: 'example.com/a:1', command: ['serve', '-v'] }
    const { functions, origins } = await load({ 'hello.json': JSON.stringify(image) }, 'hello.json')
    expect(functions[0]).toMatchObject({
      manifest: { id: 'hello', routes: [{ path: '/hello' }, { path: '/hello/*' }] },
      code: { kind: 'image', ...image },
    })
    expect(origins).toEqual(['hello.json'])
  })

  it('of anything else is refused', async () => {
    expect((await load({ 'hello.json': '{ "command": "x" }' }, 'hello.json')).messages).toEqual([
      '/hello.json: image is missing; a file alone declares an image, and code has its fezz.json in its own folder',
    ])
  })
})

it('a runtime whose description is wrong is told of, with the field', async () => {
  const folder = await createProject({ 'a/words.txt': '' })
  const runtimesDir = await wordsRuntime({ 'bad/runtime.json': '{ "tool": 1, "command": [] }' })
  const { errors } = await createLoader(folder, { runtimesDir }).load([folder])
  expect(errors.map(({ code, message }) => [code, message])).toEqual([
    [
      'INVALID_CONFIG',
      `${join(folder, 'a')}: ${join(runtimesDir, 'bad/runtime.json')}: tool 1 is not valid; write { "version": […], "missing": "…" }`,
    ],
  ])
})
