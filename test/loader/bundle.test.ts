import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import {
  answerOf,
  artifactOf,
  createLoader,
  createProject,
  evaluateFirst,
  loadFile,
} from './project.ts'

/** `export default` of a Workers module that answers with a JavaScript expression. */
const answering = (expression: string) =>
  `export default { fetch: async () => new Response(String(await (${expression}))) }`

/** A package that `import 'greeting'` finds. */
const GREETING = {
  'node_modules/greeting/package.json':
    '{"name":"greeting","exports":{"node":"./node.js","workerd":"./worker.js"}}',
  'node_modules/greeting/node.js': 'exports.greet = name => "Hello, " + name',
  'node_modules/greeting/worker.js': 'exports.greet = () => "wrong condition"',
}

/** (module (func (export "seven") (result i32) i32.const 7)) */
const SEVEN = Buffer.from('AGFzbQEAAAABBQFgAAF/AwIBAAcJAQVzZXZlbgAACgYBBABBBws=', 'base64')

describe('what becomes part of a bundle', () => {
  it.each(['ts', 'mts', 'cts', 'js', 'mjs', 'tsx', 'jsx'])('a .%s file', async extension => {
    expect(await answerOf({ [`hello.${extension}`]: answering('"hi"') })).toBe('hi')
  })

  it('a CommonJS module', async () => {
    const hello = 'module.exports = { fetch: () => new Response(typeof require + __filename) }'
    const result = await loadFile({ 'hello.cjs': hello })
    const { exports } = await evaluateFirst(result)
    const module = exports as unknown as typeof exports.default
    const response = await module.fetch(new Request('http://localhost/'))
    expect(await response.text()).toBe(`function${join(result.folder, 'hello.cjs')}`)
  })

  it('imports of sources, npm packages for Node, and node: modules', async () => {
    const text = await answerOf({
      'hello.ts': `
        import { basename } from 'node:path'
        import { greet } from 'greeting'
        import { name } from './name.ts'
        ${answering('basename("/a/" + greet(name))')}`,
      'name.ts': 'export const name: string = "Ada"',
      ...GREETING,
    })
    expect(text).toBe('Hello, Ada')
  })

  it('JSON, text and bytes', async () => {
    const text = await answerOf({
      'hello.ts': `
        import config, { port } from './config.json'
        import page from './page.html'
        import query from './query.sql'
        import bytes from './data.bin'
        import raw from './raw.dat' with { type: 'text' }
        ${answering('[config.port, port, page, query, bytes instanceof ArrayBuffer, bytes.byteLength, raw]')}`,
      'config.json': '{"port":8080}',
      'page.html': '<p>',
      'query.sql': 'SELECT 1',
      'data.bin': new Uint8Array([0, 255, 10]),
      'raw.dat': 'raw',
    })
    expect(text).toBe('8080,8080,<p>,SELECT 1,true,3,raw')
  })

  it('WebAssembly, as a compiled module', async () => {
    const text = await answerOf({
      'hello.ts': `
        import module from './seven.wasm'
        ${answering('module instanceof WebAssembly.Module && new WebAssembly.Instance(module).exports.seven()')}`,
      'seven.wasm': SEVEN,
    })
    expect(text).toBe('7')
  })

  it('dynamic imports, of sources and of what is only known when it runs', async () => {
    const text = await answerOf({
      'hello.ts': `const path = 'node:' + 'os'
        ${answering('(await import("./name.ts")).name + typeof (await import(path)).cpus')}`,
      'name.ts': 'export const name = "Ada"',
    })
    expect(text).toBe('Adafunction')
  })

  it('JSX, by the runtime that tsconfig.json names', async () => {
    const text = await answerOf({
      'hello.tsx': answering('<b>hi</b>'),
      'tsconfig.json': '{"compilerOptions":{"jsx":"react-jsx","jsxImportSource":"tiny"}}',
      'node_modules/tiny/jsx-runtime.js':
        'exports.jsx = (tag, props) => "<" + tag + ">" + props.children + "</" + tag + ">"',
    })
    expect(text).toBe('<b>hi</b>')
  })
})

describe('what stays outside of a bundle', () => {
  it('the copies of fezz and of reflect-metadata: the host has the only ones', async () => {
    const result = await loadFile({
      'hello.ts': `
        import 'reflect-metadata'
        import { FezzFunction } from 'fezz/decorators'
        @FezzFunction('hello', '/hello')
        export class Hello { fetch() { return new Response(typeof Reflect.getMetadata) } }`,
      'node_modules/reflect-metadata/index.js': 'throw new Error("a second copy")',
    })
    const { code } = await evaluateFirst(result)
    const text = await readFile(join(code.folder, 'bundle.cjs'), 'utf8')
    expect(text).toContain('require("fezz/decorators")')
    expect(text).not.toContain('a second copy')
  })

  it('addons, which are found where the importing package has them', async () => {
    const result = await loadFile({
      'hello.ts': `import { load } from 'native'\n${answering('load()')}`,
      'node_modules/native/package.json': '{"main":"lib/index.js"}',
      'node_modules/native/lib/index.js':
        'exports.load = () => { try { require("../build/addon.node") } catch (error) { return error.message } }',
      'node_modules/native/build/addon.node': 'not really',
    })
    const { exports } = await evaluateFirst(result)
    const response = await exports.default.fetch(new Request('http://localhost/'))
    expect(await response.text()).toContain(
      join(result.folder, 'node_modules/native/build/addon.node'),
    )
  })
})

describe('names in a bundle', () => {
  it('has import.meta, __filename and __dirname of each source', async () => {
    const result = await loadFile({
      'hello.ts': `
        import { place } from './lib/place.mjs'
        import old from './lib/old.cjs'
        ${answering('[import.meta.url, import.meta.dirname, import.meta.main, place(), old()]')}`,
      'lib/place.mjs': `import { createRequire } from 'node:module'
        export const place = () => import.meta.filename + typeof createRequire(import.meta.url)`,
      'lib/old.cjs':
        '"use strict"; module.exports = () => __dirname + (function () { return this })()',
    })
    const { exports } = await evaluateFirst(result)
    const response = await exports.default.fetch(new Request('http://localhost/'))
    const { folder } = result
    expect((await response.text()).split(',')).toEqual([
      pathToFileURL(join(folder, 'hello.ts')).href,
      folder,
      'false',
      `${join(folder, 'lib/place.mjs')}function`,
      `${join(folder, 'lib')}undefined`,
    ])
  })

  it.each(['globalThis', 'global', 'self'])('%s.Response is the same as Response', async object => {
    expect(
      await answerOf({
        'hello.ts': answering(`${object}.Response === Response && ${object}.fetch === fetch`),
      }),
    ).toBe('true')
  })

  it('a variable of the module that is named like a global does not hide it from globalThis', async () => {
    const text = await answerOf({
      'hello.ts': `const Base = globalThis.Response
        const Response = class extends globalThis.Response {}
        const fetch = 1
        export default { fetch: () => new Response(String([Base === globalThis.Response, fetch, typeof globalThis.fetch])) }`,
    })
    expect(text).toBe('true,1,function')
  })

  it('is strict like ES modules, unless there is a CommonJS module in it', async () => {
    const strict = answering('(function () { return this })() === undefined')
    expect(await answerOf({ 'hello.ts': strict })).toBe('true')
    const sloppy = {
      'hello.ts': `import './old.cjs'\n${answering('1')}`,
      'old.cjs': 'implied = 010',
    }
    expect(await answerOf(sloppy)).toBe('1')
    delete (globalThis as { implied?: number }).implied
  })

  it('keeps the names of functions and classes', async () => {
    const text = await answerOf({
      'hello.ts': `import { Thing as Other } from './thing.ts'
        class Thing {}
        ${answering('[Thing.name, Other.name]')}`,
      'thing.ts': 'export class Thing {}',
    })
    expect(text).toBe('Thing,Thing')
  })
})

describe.each([
  ['TC39', {}],
  ['legacy', { 'tsconfig.json': '{"compilerOptions":{"experimentalDecorators":true}}' }],
])('decorators of the %s dialect', (dialect, config) => {
  it('declare functions, and see what their dialect shows them', async () => {
    const { functions, errors } = await loadFile({
      'hello.ts': `
        import { FezzFunction } from 'fezz/decorators'
        function log(target: unknown, context: unknown) {
          console.assert(typeof context === '${dialect === 'legacy' ? 'string' : 'object'}')
          if (typeof context !== '${dialect === 'legacy' ? 'string' : 'object'}') throw new Error('the other dialect')
        }
        @FezzFunction('hello', '/hello', { timeout: 5 })
        export class Hello { @log fetch() { return new Response('hi') } }
        @FezzFunction({ id: 'bye', path: '/bye' })
        export class Bye { fetch() { return new Response('bye') } }`,
      ...config,
    })
    expect(errors).toEqual([])
    expect(
      functions.map(found => [
        found.manifest.id,
        found.manifest.timeoutMs,
        artifactOf(found).exportName,
      ]),
    ).toEqual([
      ['bye', undefined, 'Bye'],
      ['hello', 5000, 'Hello'],
    ])
  })
})

describe('a bundle is the same bytes', () => {
  const files = {
    'functions/hello.ts': `
      import { greet } from 'greeting'
      import { name } from '../lib/name.ts'
      ${answering('greet(name) + import.meta.url')}`,
    'lib/name.ts': 'export const name = "Ada"',
    ...GREETING,
  }
  const build = async (folder: string) => {
    const { functions } = await createLoader(folder).load([join(folder, 'functions/hello.ts')])
    const code = artifactOf(functions[0])
    return { sha256: code.sha256, map: await readFile(join(code.folder, 'bundle.cjs.map'), 'utf8') }
  }

  it('wherever its sources are', async () => {
    const [here, there] = [await createProject(files), await createProject(files)]
    expect(here).not.toBe(there)
    const first = await build(here)
    expect(await build(there)).toEqual(first)
    expect(first.map).not.toContain(here)
    expect(JSON.parse(first.map).sources).toContain('../lib/name.ts')
  })

  it('but other bytes for another name, as its manifest is another', async () => {
    const folder = await createProject({
      'a/index.js': answering('1'),
      'b/index.js': answering('1'),
    })
    const { functions } = await createLoader(folder).load([folder])
    expect(functions.map(found => found.manifest.id)).toEqual(['a', 'b'])
    expect(artifactOf(functions[0]).sha256).not.toBe(artifactOf(functions[1]).sha256)
  })
})

describe('sources that do not build', () => {
  const messageOf = async (files: Record<string, string>) => {
    const { folder, functions, errors } = await loadFile(files)
    expect(functions).toEqual([])
    expect(errors.map(error => error.code)).toEqual(['BUILD_FAILED'])
    return errors[0]!.message.replaceAll(folder, '')
  }

  it('say where the mistake is', async () => {
    const message = await messageOf({ 'hello.ts': 'const ä = "ö"; const = 1' })
    expect(message).toMatch(/^\/hello\.ts:1:22: Expected identifier but found "="\n/)
    expect(message.split('\n').slice(1)).toEqual([
      '    const ä = "ö"; const = 1',
      '                         ^',
    ])
  })

  it('say where each of several mistakes is', async () => {
    const message = await messageOf({
      'hello.ts': 'import "./gone.ts"\nimport "nowhere"',
    })
    expect(message).toContain('/hello.ts:1:8: Could not resolve "./gone.ts"')
    expect(message).toContain('/hello.ts:2:8: Could not resolve "nowhere"')
  })

  it('say of a missing package how to get it, and nothing of options that nobody can set', async () => {
    const message = await messageOf({ 'hello.ts': 'import "@team/nowhere/deep"' })
    expect(message.split('\n').slice(3)).toEqual([
      '  If it is a package, install it: npm install @team/nowhere',
    ])
    expect(await messageOf({ 'hello.ts': 'import "./gone.ts"' })).not.toContain('npm install')
  })

  it('say of a top-level await to move it into onLoad', async () => {
    const message = await messageOf({
      'hello.ts': 'import "./data.ts"\nexport default { fetch() {} }',
      'data.ts': 'export const data = 1\nawait Promise.resolve()',
    })
    expect(message).toMatch(
      /^\/data\.ts:2:1: top-level await is not supported.*Move it into onLoad/,
    )
  })

  it('say that there is no such file', async () => {
    const folder = await createProject({})
    const { errors } = await createLoader(folder).load([join(folder, 'gone.ts')])
    expect(errors[0]!.message).toBe(`${join(folder, 'gone.ts')}: there is no such file or folder`)
  })
})
