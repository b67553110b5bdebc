import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it, vi } from 'vitest'
import { webGlobals } from '../../src/http/web/globals.ts'
import { evaluateArtifact } from '../../src/loader/evaluate.ts'
import { artifactOf, createLoader, createProject, evaluateFirst, loadFile } from './project.ts'

const run = promisify(execFile)
const RELOAD_SCRIPT = join(import.meta.dirname, '../fixtures/loader/reload.ts')

const seen = (expression: string) =>
  `export const seen = ${expression}\nexport default { fetch: () => new Response() }`

/** What `expression` is in a module. */
async function seenBy(expression: string, options = {}) {
  const { functions } = await loadFile({ 'hello.ts': seen(expression) })
  const module = await evaluateArtifact(artifactOf(functions[0]), options)
  return (module.exports as { seen: unknown }).seen
}

it('gives functions Fezz’s web types in place of the global ones, and changes none of these', async () => {
  const before = { ...globalThis }
  expect(await seenBy('({ Request, Response, Headers, fetch })')).toEqual(webGlobals)
  expect({ ...globalThis }).toEqual(before)
})

it('gives functions the web types that it is asked for', async () => {
  const { Request, Response, Headers, fetch } = globalThis
  const webTypes = { Request, Response, Headers, fetch }
  expect(await seenBy('({ Request, Response, Headers, fetch })', { webTypes })).toEqual(webTypes)
})

it('evaluates anew each time', async () => {
  const { functions } = await loadFile({ 'hello.ts': seen('{}') })
  const [first, second] = await Promise.all(
    [1, 2].map(() => evaluateArtifact(artifactOf(functions[0]))),
  )
  expect(first!.exports).not.toBe(second!.exports)
  expect((first!.exports as { seen: object }).seen).not.toBe(
    (second!.exports as { seen: object }).seen,
  )
})

it('all functions share the copies of fezz that the host provides, loaded when asked for', async () => {
  const { functions } = await loadFile({
    'a.ts': `import * as fezz from 'fezz'\nimport * as decorators from 'fezz/decorators'\n${seen('[fezz.FezzError, decorators.FezzFunction]')}`,
  })
  const asked: string[] = []
  const copy = { FezzError: class {}, FezzFunction: () => {} }
  const provide = (specifier: string) => {
    asked.push(specifier)
    return copy
  }
  const module = await evaluateArtifact(artifactOf(functions[0]), { provide })
  expect((module.exports as { seen: unknown[] }).seen).toEqual([copy.FezzError, copy.FezzFunction])
  expect(asked).toEqual(['fezz', 'fezz/decorators'])
})

it('provides this very copy of fezz where nothing else is said', async () => {
  const { exports } = await evaluateFirst(
    await loadFile({
      'a.ts': `import { FezzError } from 'fezz'\nimport { manifestOf } from 'fezz/decorators'\n${seen('[FezzError.name, typeof manifestOf]')}`,
    }),
  )
  expect(exports['seen']).toEqual(['FezzError', 'function'])
})

it('resolves what the bundle left outside from the function’s own file', async () => {
  const { exports } = await evaluateFirst(
    await loadFile({
      'a.ts': `const name = 'plain'\n${seen('[require(name), require.resolve(name), import.meta.resolve(name)]')}`,
      'node_modules/plain/index.js': 'module.exports = 7',
    }),
  )
  expect(exports['seen']).toEqual([
    7,
    expect.stringMatching(/node_modules\/plain\/index\.js$/),
    expect.stringMatching(/^file:.*node_modules\/plain\/index\.js$/),
  ])
})

it('ends the timers of a module when it is disposed of', async () => {
  const { functions } = await loadFile({
    'a.ts': seen('[setTimeout(() => {}, 60_000), globalThis.setInterval(() => {}, 60_000)]'),
  })
  const module = await evaluateArtifact(artifactOf(functions[0]))
  const timers = (module.exports as { seen: { _destroyed: boolean }[] }).seen
  expect(timers.map(timer => timer._destroyed)).toEqual([false, false])
  module.dispose()
  expect(timers.map(timer => timer._destroyed)).toEqual([true, true])
})

it('ends the timers of a module that throws', async () => {
  const { functions } = await loadFile({
    'a.ts': `const { fail } = globalThis as { fail?: (timer: object) => never }
      fail?.(setInterval(() => {}, 60_000))
      ${seen('0')}`,
  })
  let timer: { _destroyed?: boolean } = {}
  vi.stubGlobal('fail', (started: object) => {
    timer = started
    throw new Error('no')
  })
  await expect(evaluateArtifact(artifactOf(functions[0]))).rejects.toThrow('no')
  vi.unstubAllGlobals()
  expect(timer._destroyed).toBe(true)
})

it('invariant 8: after an unload the memory is free', async () => {
  const lines = Array.from(
    { length: 700 },
    (_, index) =>
      `export const f${index} = (n: number) => { const text = 'function number ${index}'; return text.repeat(n) }`,
  )
  const folder = await createProject({
    'big.ts': `
      import { FezzFunction } from 'fezz/decorators'
      ${lines.join('\n')}
      setInterval(() => {}, 60_000)
      @FezzFunction('big', '/big')
      export class Big { buffer = new Array(1000).fill(0); fetch() { return new Response(f1(1)) } }`,
  })
  const { functions } = await createLoader(folder).load([join(folder, 'big.ts')])
  const code = artifactOf(functions[0])
  const { stdout } = await run(process.execPath, [
    '--expose-gc',
    RELOAD_SCRIPT,
    JSON.stringify(code),
    '300',
  ])
  const { bundleBytes, growthPerRoundBytes } = JSON.parse(stdout)
  expect(bundleBytes).toBeGreaterThan(60_000)
  expect(growthPerRoundBytes).toBeLessThan(5_000)
})
