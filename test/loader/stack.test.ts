import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { installStackMapping, mapStack } from '../../src/loader/stack.ts'
import { evaluateFirst, loadFile } from './project.ts'

const FILES = {
  'functions/hello.ts': `
    import { fail } from '../lib/fail.ts'
    interface Unused { readonly a: string }
    export const stacks: string[] = []
    async function later(): Promise<never> {
      await null
      throw new Error('async')
    }
    export default {
      async fetch(request: Request) {
        if (request.method === 'GET') fail('sync')
        try {
          await later()
        } catch (error) {
          stacks.push(error.stack)
          throw error
        }
      }
    }`,
  'lib/fail.ts': `
    type Reason = string
    export class Failure extends Error {
      override readonly name = 'Failure'
    }
    export function fail(reason: Reason): never {
      throw new Failure(reason)
    }`,
}

async function failing() {
  const result = await loadFile(FILES)
  const { exports } = await evaluateFirst(result)
  const { folder } = result
  const thrown = async (method: string): Promise<Error> => {
    try {
      await exports.default.fetch(new Request('http://localhost/', { method }))
    } catch (error) {
      return error as Error
    }
    throw new Error('nothing was thrown')
  }
  return { folder, thrown, stacks: exports['stacks'] as string[] }
}

it('frames show the user’s own files and lines, of a sync throw', async () => {
  const { folder, thrown } = await failing()
  const lines = mapStack((await thrown('GET')).stack as string).split('\n')
  expect(lines[1]).toBe(`    at fail (${join(folder, 'lib/fail.ts')}:7:13)`)
  expect(lines[2]).toBe(`    at Object.fetch (${join(folder, 'functions/hello.ts')}:11:39)`)
})

it('frames show the user’s own files and lines, of an async throw', async () => {
  const { folder, thrown } = await failing()
  const lines = mapStack((await thrown('POST')).stack as string).split('\n')
  const file = join(folder, 'functions/hello.ts')
  expect(lines[0]).toBe('Error: async')
  expect(lines[1]).toBe(`    at later (${file}:7:13)`)
  expect(lines[2]).toBe(`    at async Object.fetch (${file}:13:11)`)
})

it('leaves all else as it is', () => {
  const stack = [
    'Error: at bundle.cjs:1:1',
    '    at file (/nowhere/artifacts/0/bundle.cjs:3:4)',
    '    at node:internal/main:1:2',
    '    at <anonymous>',
  ].join('\n')
  expect(mapStack(stack)).toBe(stack)
  expect(mapStack(mapStack(stack))).toBe(stack)
  expect(mapStack('')).toBe('')
})

it('leaves a frame as it is when the map names no source for it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fezz-map-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const map = { version: 3, sources: [], names: [], mappings: 'AAAA' }
  await writeFile(join(folder, 'bundle.cjs.map'), JSON.stringify(map))
  const stack = `Error: x\n    at f (${join(folder, 'bundle.cjs')}:1:1)`
  expect(mapStack(stack)).toBe(stack)
})

it('maps places in folders with spaces and parentheses, and in eval', async () => {
  const { folder, thrown } = await failing()
  const stack = (await thrown('GET')).stack as string
  const place = /\((.*bundle\.cjs:\d+:\d+)\)/.exec(stack)?.[1]
  const source = `${join(folder, 'lib/fail.ts')}:7:13`
  expect(mapStack(`Error\n    at ${place}`)).toBe(`Error\n    at ${source}`)
  expect(mapStack(`Error\n    at eval (eval at run (${place}), <anonymous>:1:1)`)).toBe(
    `Error\n    at eval (eval at run (${source}), <anonymous>:1:1)`,
  )
  expect(mapStack('    at a (/my (own) folder/x/bundle.cjs:1:1)')).toContain('/my (own) folder')
})

it('installed, makes error.stack itself show them, also where user code reads it', async () => {
  onTestFinished(installStackMapping())
  const { folder, thrown, stacks } = await failing()
  const { stack } = await thrown('GET')
  expect(stack).toContain('Failure: sync\n')
  expect(stack).toContain(`    at fail (${join(folder, 'lib/fail.ts')}:7:13)`)
  await thrown('POST')
  expect(stacks[0]).toContain(`    at later (${join(folder, 'functions/hello.ts')}:7:13)`)
})

it('installed, prints other errors as Node does, whatever they are', () => {
  const before = Error.prepareStackTrace
  Reflect.deleteProperty(Error, 'prepareStackTrace')
  const make = () => {
    const nodeError = (() => {
      try {
        return Buffer.from(1 as never)
      } catch (error) {
        return error as Error
      }
    })() as Error
    return [new Error('plain'), new RangeError('two\nlines'), nodeError].map(error => error.stack)
  }
  try {
    const plain = make()
    const uninstall = installStackMapping()
    expect(make().map(stack => stack?.split('\n')[0])).toEqual(
      plain.map(stack => stack?.split('\n')[0]),
    )
    const hostile = Object.defineProperty(new Error('x'), 'name', {
      get() {
        throw new Error('hostile')
      },
    })
    expect(hostile.stack).toContain('at ')
    uninstall()
    expect(Error.prepareStackTrace).toBeUndefined()
  } finally {
    if (before !== undefined) Error.prepareStackTrace = before
  }
})

it('installed, keeps what an earlier Error.prepareStackTrace makes', () => {
  const before = Error.prepareStackTrace
  Error.prepareStackTrace = (_, frames) => frames
  const uninstall = installStackMapping()
  const { stack } = new Error('x') as unknown as { stack: unknown }
  uninstall()
  Error.prepareStackTrace = before as never
  expect(Array.isArray(stack)).toBe(true)
})
