import { describe, expect, it } from 'vitest'
import { stuckLine } from '../../../src/runtime/workers/stuck-line.ts'

const FOLDER = '/cache/artifacts/abc'
const functions = [{ functionId: 'spin', folder: FOLDER, entry: '/app/spin.ts' }]

describe('the line about a stuck worker', () => {
  it('names the function and the innermost place in its own code', () => {
    const stack = [
      '    at statSync (node:fs:1700:10)',
      `    at look (${FOLDER}/bundle.cjs:12:3)`,
      '    at #invoke (/app/node_modules/fezz/dist/host.js:1:1)',
    ].join('\n')
    const line = stuckLine({ stuckMs: 500, stack, functions })
    expect(line.functionId).toBe('spin')
    expect(line.place).toBe(`${FOLDER}/bundle.cjs:12:3`)
    expect(line.message).toBe(
      `stood still for 500 ms and was ended: stuck in function "spin" at ${FOLDER}/bundle.cjs:12:3`,
    )
  })

  it('names all functions that share the code', () => {
    const both = [...functions, { functionId: 'spun', folder: FOLDER, entry: '/app/spin.ts' }]
    const stack = `    at ${FOLDER}/bundle.cjs:12:3`
    expect(stuckLine({ stuckMs: 500, stack, functions: both }).functionId).toBe('spin, spun')
  })

  it('names the place where no function is known, and leaves out the frames of Node', () => {
    const stack = '    at processTicks (node:internal:1:1)\n    at chain (/app/lib/native.js:3:4)'
    const line = stuckLine({ stuckMs: 500, stack, functions: [] })
    expect(line).toMatchObject({ place: '/app/lib/native.js:3:4', stack })
    expect(line.message).toMatch(/stuck at \/app\/lib\/native\.js:3:4$/)
    expect(line).not.toHaveProperty('functionId')
  })

  it('says so when no JavaScript ran', () => {
    expect(stuckLine({ stuckMs: 500, stack: '', functions: [] })).toEqual({
      message: 'stood still for 500 ms and was ended: it waits in a call outside of JavaScript',
    })
  })
})
