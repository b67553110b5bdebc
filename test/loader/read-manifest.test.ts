import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { createLoader, createProject } from './project.ts'

const GOOD = 'export default { fetch: () => new Response("hi") }'

/** Loads the file between two that work. */
async function loadBetween(bad: string, options = {}) {
  const folder = await createProject({ 'a.ts': GOOD, 'bad.ts': bad, 'z.ts': GOOD })
  const { functions, errors } = await createLoader(folder, options).load([folder])
  expect(functions.map(({ manifest }) => manifest.id)).toEqual(['a', 'z'])
  expect(errors).toHaveLength(1)
  return { folder, error: errors[0]!, message: errors[0]!.message.replaceAll(folder, '') }
}

describe('a module that cannot be evaluated is an error of that file alone', () => {
  it('when it never comes back', async () => {
    const { error, message } = await loadBetween(`while (true) {}\n${GOOD}`, {
      manifestDeadlineMs: 300,
    })
    expect(error.code).toBe('BUILD_FAILED')
    expect(message).toMatch(/^\/bad\.ts: the module did not finish evaluating within 300 ms/)
  })

  it('when it ends the process', async () => {
    const { error, message } = await loadBetween(`process.exit(3)\n${GOOD}`)
    expect(error.code).toBe('BUILD_FAILED')
    expect(message).toMatch(/^\/bad\.ts: the module called process\.exit\(3\)/)
  })

  it('when it runs out of memory', async () => {
    const { error, message } = await loadBetween(
      `const all = []; while (true) all.push(new Array(1_000_000).fill(0))\n${GOOD}`,
      { manifestDeadlineMs: 30_000 },
    )
    expect(error.code).toBe('BUILD_FAILED')
    expect(message).toMatch(/^\/bad\.ts: the module broke the thread.*out of memory/s)
  })

  it('when it throws, with the place and the frames of its sources alone', async () => {
    const { error, message } = await loadBetween(`
      function connect(url: string): never {
        throw new TypeError('no ' + url)
      }
      connect('database')
      ${GOOD}`)
    expect(error.code).toBe('BUILD_FAILED')
    expect(message.split('\n')).toEqual([
      '/bad.ts:3:15: TypeError: no database',
      '    at connect (/bad.ts:3:15)',
      expect.stringMatching(/^ {4}at .*\/bad\.ts:5:7\)?$/),
    ])
  })

  it('when it throws something that is no error', async () => {
    const { message } = await loadBetween(`throw { reason: 'because' }\n${GOOD}`)
    expect(message).toBe("/bad.ts: threw while it was evaluated: { reason: 'because' }")
  })

  it('when it throws an error without frames', async () => {
    const { message } = await loadBetween(
      `Error.stackTraceLimit = 0\nthrow new Error('bare')\n${GOOD}`,
    )
    expect(message).toBe('/bad.ts: Error: bare')
  })

  it('when it requires a file that does not exist', async () => {
    const { folder, message } = await loadBetween(
      `const name = './' + 'gone.cjs'\nrequire(name)\n${GOOD}`,
    )
    expect(folder).not.toBe('')
    expect(message).toMatch(/^\/bad\.ts:2:1: Error: Cannot find module '\.\/gone\.cjs'/)
  })
})

it('a wrong declaration names the file, the function, the field and the value', async () => {
  const { error, message } = await loadBetween(
    `export const manifest = { method: 'FETCH' }\n${GOOD}`,
  )
  expect(error.code).toBe('INVALID_MANIFEST')
  expect(message).toMatch(/^\/bad\.ts: .*method.*"FETCH"/)
})

it('a module without a function is an error', async () => {
  const { error, message } = await loadBetween('export const answer = 42')
  expect(error.code).toBe('INVALID_MANIFEST')
  expect(message).toMatch(/^\/bad\.ts: no function found: export a class/)
})

it('a program where a function is expected is told by its own file, and what it needs', async () => {
  const folder = await createProject({
    'shop/package.json': '{ "main": "app.js", "scripts": { "start": "node app.js" } }',
    'shop/app.js': 'module.exports = { app: true }',
  })
  const { errors } = await createLoader(folder).load([join(folder, 'shop')])
  const message = errors.map(({ message }) => message).join('\n')
  expect(message).toContain(`${folder}/shop/app.js: no function found`)
  expect(message).toContain('needs a fezz.json beside it: { "runtime": "node" }')
  expect(message).not.toContain('shop.js')
})

it('a failure after the module was evaluated is nobody else’s fault', async () => {
  const folder = await createProject({
    'a.ts': `setTimeout(() => { throw new Error('late') }, 0)
      queueMicrotask(() => { throw new Error('soon') })
      Promise.reject(new Error('floating'))
      ${GOOD}`,
    'b.ts': GOOD,
    'c.ts': GOOD,
  })
  const { functions, errors } = await createLoader(folder).load([folder])
  expect(errors).toEqual([])
  expect(functions.map(({ manifest }) => manifest.id)).toEqual(['a', 'b', 'c'])
})

it('what modules print goes to standard error: standard output has the log', async () => {
  const stdout = vi.spyOn(process.stdout, 'write')
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const folder = await createProject({ 'a.ts': `console.log('from the module')\n${GOOD}` })
  await createLoader(folder).load([join(folder, 'a.ts')])
  const printed = (spy: { mock: { calls: unknown[][] } }) =>
    spy.mock.calls.flat().map(String).join('')
  const [out, err] = [printed(stdout), printed(stderr)]
  stdout.mockRestore()
  stderr.mockRestore()
  expect(out).not.toContain('from the module')
  expect(err).toContain('from the module')
})
