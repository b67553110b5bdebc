import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { webGlobals } from '../../../src/http/web/globals.ts'
import { IncomingRequest } from '../../../src/http/web/incoming-request.ts'
import { MemorySource } from '../../helpers/memory-source.ts'
import { type Case, requestCases, responseCases, type Subject } from './conformance.ts'
import { shapeCases } from './conformance-shape.ts'

const platform: Subject = {
  Request: globalThis.Request,
  Response: globalThis.Response,
  Headers: globalThis.Headers,
  receive: (method, headers, body) =>
    // What the standard gives a service worker for a request of the browser itself.
    new Request('http://fezz.test/path?q=1', {
      method,
      headers,
      body: body ?? null,
      redirect: 'manual',
    }),
}

const fezz: Subject = {
  ...webGlobals,
  receive: (method, headers, body) =>
    new IncomingRequest(
      new MemorySource({
        method,
        target: '/path?q=1',
        rawHeaders: headers.flat(),
        body: body ?? null,
      }),
    ),
}

async function outcome(run: Case, web: Subject): Promise<unknown> {
  try {
    return { value: await run(web) }
  } catch (error) {
    return { error: (error as Error).constructor.name }
  }
}

describe.each([
  ['request', requestCases],
  ['response', responseCases],
  ['shape', shapeCases],
])('%s as on the platform', (_subject, cases) => {
  test.each(Object.entries(cases))('%s', async (_name, run) => {
    expect(await outcome(run, fezz)).toEqual(await outcome(run, platform))
  })
})

// Control characters are the one agreed difference: Fetch lets them pass, the wire does not.
const sendable = fc
  .string({ unit: 'binary', maxLength: 12 })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is left out
  .filter(value => !/[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(value))
const anyName = fc.oneof(
  fc.string({ maxLength: 6 }),
  fc.string({ unit: 'binary', maxLength: 4 }),
  fc.constantFrom('X-A', 'x-a', 'Content-Type', 'set-cookie', 'Cookie', '__proto__'),
)

test('any header names and values are taken or refused as on the platform', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(anyName, sendable), { maxLength: 4 }), async headers => {
      const run: Case = web => [...new web.Response('a', { headers }).headers]
      expect(await outcome(run, fezz)).toEqual(await outcome(run, platform))
    }),
    { numRuns: 300 },
  )
})

test('any name asked of valid headers is answered as on the platform', async () => {
  const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,4}$/)
  const fields = fc.array(fc.tuple(token, fc.stringMatching(/^[a-z0-9]{0,3}$/)), { maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(fields, fc.oneof(token, anyName), async (headers, name) => {
      const run: Case = web => {
        const asked = web.receive('GET', headers).headers
        return [asked.get(name), asked.has(name), headers.map(([known]) => asked.get(known))]
      }
      expect(await outcome(run, fezz)).toEqual(await outcome(run, platform))
    }),
    { numRuns: 300 },
  )
})

test('any text survives the way through a response as on the platform', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary' }), async text => {
      const run: Case = web => new web.Response(text).text()
      expect(await outcome(run, fezz)).toEqual(await outcome(run, platform))
    }),
    { numRuns: 100 },
  )
})
