import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { FezzFunction } from '../../decorators/index.ts'
import { FezzError } from '../../src/errors.ts'
import { bindFunction, exportOf } from '../../src/function/adapt.ts'
import type { FunctionContext, LifecycleContext } from '../../src/function/contract.ts'
import { functionsIn, manifestFor } from '../../src/function/declared.ts'

const request = new Request('http://localhost/')
const context = {
  env: Object.freeze({ A: 'b' }),
  waitUntil() {},
  passThroughOnException() {},
} as unknown as FunctionContext

class Plain {
  loads = 0
  onLoad() {
    this.loads++
  }
  fetch(_request: Request, { env }: FunctionContext) {
    return Response.json([this.loads, env])
  }
}

class Decorated extends Plain {}
FezzFunction('decorated', '/decorated')(Decorated)

class Second extends Plain {}
FezzFunction('second', '/second')(Second)

const plain = () => new Response('plain')

describe('functionsIn', () => {
  it('finds every decorated class under whatever name it is exported', () => {
    const found = functionsIn({ one: Decorated, Second, helper: plain, VALUE: 5 }, 'many.ts')
    expect(found.map(({ exportName, manifest }) => [exportName, manifest.id])).toEqual([
      ['one', 'decorated'],
      ['Second', 'second'],
    ])
  })

  it('finds a class that is exported twice once', () => {
    expect(functionsIn({ Decorated, default: Decorated }, 'a.ts')).toHaveLength(1)
  })

  it.each([
    ['a plain function', plain],
    ['an undecorated class', Plain],
    ['a Workers module', { fetch: plain }],
    ['a Hono app', new Hono()],
  ])('finds the default export that is %s, and derives its manifest', (_, value) => {
    const [found] = functionsIn({ default: value }, '/functions/greet.ts')
    expect(found).toMatchObject({
      exportName: 'default',
      manifest: { id: 'greet', routes: [{ path: '/greet' }, { path: '/greet/*' }] },
    })
  })

  it('takes the manifest that is exported beside the default, also a partial one', () => {
    const manifest = { path: '/hi', timeout: '1s' }
    const [found] = functionsIn({ default: plain, manifest }, 'greet.ts')
    expect(found?.manifest).toMatchObject({ id: 'greet', timeoutMs: 1_000 })
    expect(found?.manifest.routes).toEqual([{ methods: ['GET'], path: '/hi', priority: 0 }])
  })

  it('finds decorated classes and the default export in one file', () => {
    const found = functionsIn({ Decorated, default: plain }, 'greet.ts')
    expect(found.map(({ manifest }) => manifest.id)).toEqual(['decorated', 'greet'])
  })

  it('takes the whole of a CommonJS module for its default export', () => {
    const answer = Object.assign(() => new Response('x'), { manifest: { id: 'mine' } })
    expect(functionsIn(answer, 'a.js')[0]).toMatchObject({ exportName: 'default' })
    expect(functionsIn(answer, 'a.js')[0]?.manifest.id).toBe('mine')
    expect(functionsIn({ fetch: plain }, 'b.js')[0]?.manifest.id).toBe('b')
    expect(functionsIn(Decorated, 'c.js')[0]?.manifest.id).toBe('decorated')
    expect(exportOf(Decorated, 'default')).toBe(Decorated)
  })

  it('does not take a named export of an ES module for that', () => {
    const module = Object.defineProperty({ fetch: plain }, '__esModule', { value: true })
    expect(() => functionsIn(module, 'a.ts')).toThrow('no function found')
    expect(exportOf(module, 'default')).toBeUndefined()
  })

  it.each([
    [{}],
    [{ default: 5 }],
    [{ default: null }],
    [{ default: class {} }],
    [{ default: { Fetch() {} } }],
    [{ handler: plain }],
  ])('refuses a module without a function and says what one looks like: %o', module => {
    expect(() => functionsIn(module, 'a.ts')).toThrow(FezzError)
    expect(() => functionsIn(module, 'a.ts')).toThrow(
      "no function found: export a class with @FezzFunction('hello', '/hello')",
    )
  })

  it('refuses two functions with one id', () => {
    class Copy extends Plain {}
    FezzFunction('decorated', '/copy')(Copy)
    expect(() => functionsIn({ Decorated, Copy }, 'a.ts')).toThrow(
      'has two functions with the id "decorated": the exports Decorated and Copy; rename one',
    )
    expect(() => functionsIn({ Decorated, default: plain }, 'decorated.ts')).toThrow(
      'the exports Decorated and default',
    )
  })

  it('refuses a manifest that belongs to nothing', () => {
    expect(() => functionsIn({ Decorated, manifest: { id: 'x' } }, 'a.ts')).toThrow(
      'exports a manifest, but no undecorated default export',
    )
  })

  it('names the class whose declaration is bad', () => {
    class Broken extends Plain {}
    FezzFunction('broken', 'broken')(Broken)
    expect(() => functionsIn({ Broken }, 'a.ts')).toThrow(
      'Function "broken" (class Broken): path "broken" must start',
    )
  })
})

describe('manifestFor', () => {
  it('reads the decorator and lets what is passed win', () => {
    expect(manifestFor(Decorated).id).toBe('decorated')
    expect(manifestFor(new Decorated()).id).toBe('decorated')
    const overlaid = { path: '/other', version: undefined as never }
    expect(manifestFor(Decorated, overlaid)).toMatchObject({
      id: 'decorated',
      version: 'v1',
      routes: [{ path: '/other' }],
    })
  })

  it('needs an id for what has no decorator', () => {
    expect(manifestFor(plain, { id: 'plain', path: '/plain' }).id).toBe('plain')
    expect(() => manifestFor(plain)).toThrow('Function of plain(): id is missing')
    expect(() => manifestFor(Plain)).toThrow('Function of class Plain: id is missing')
    class Child extends Decorated {}
    expect(() => manifestFor(Child)).toThrow('Function of class Child: id is missing')
  })

  it.each([
    [5, 'a value of type number'],
    [null, 'null'],
    [class Empty {}, 'class Empty'],
    [{}, 'a value of type object'],
  ])('refuses %o', (value, subject) => {
    expect(() => manifestFor(value, { id: 'a' })).toThrow(`${subject} is not a function: export a`)
  })
})

describe('bindFunction', () => {
  it('makes an instance of a class and calls all its methods on it', async () => {
    for (const value of [Plain, Decorated]) {
      const bound = bindFunction(value)
      await bound.onLoad?.({} as LifecycleContext)
      const response = await bound.fetch(request, context)
      expect(await response.json()).toEqual([1, { A: 'b' }])
      expect(bound.onUnload).toBeUndefined()
    }
  })

  it('calls an object made of a decorated class like the class', async () => {
    const response = await bindFunction(new Decorated()).fetch(request, context)
    expect(await response.json()).toEqual([0, { A: 'b' }])
  })

  it('accepts a decorated class whose fetch is a field', async () => {
    class Field {
      fetch = () => new Response('field')
    }
    FezzFunction('field', '/field')(Field)
    expect(await (await bindFunction(Field).fetch(request, context)).text()).toBe('field')
  })

  it('knows a class that was compiled to a function', async () => {
    function Old() {}
    Old.prototype.fetch = () => new Response('old')
    expect(await (await bindFunction(Old).fetch(request, context)).text()).toBe('old')
  })

  it('calls a Workers module with request, env and context, on the module', async () => {
    const module = {
      calls: [] as unknown[],
      onLoad(this: { calls: unknown[] }) {
        this.calls.push('loaded')
      },
      fetch(this: { calls: unknown[] }, ...args: unknown[]) {
        this.calls.push(args)
        return new Response()
      },
    }
    const bound = bindFunction(module)
    await bound.onLoad?.({} as LifecycleContext)
    await bound.fetch(request, context)
    expect(module.calls[0]).toBe('loaded')
    const [first, env, third] = module.calls[1] as unknown[]
    expect(first).toBe(request)
    expect(env).toBe(context.env)
    expect(third).toBe(context)
  })

  it('runs a Hono app with its env and execution context', async () => {
    const app = new Hono<{ Bindings: { A: string } }>()
    app.get('/', c => {
      c.executionCtx.waitUntil(Promise.resolve())
      return c.text(`hono ${c.env.A}`)
    })
    const response = await bindFunction(app).fetch(request, context)
    expect(await response.text()).toBe('hono b')
  })

  it('calls a plain function with request and context', async () => {
    const args: unknown[] = []
    const bound = bindFunction((...received: unknown[]) => {
      args.push(...received)
      return new Response()
    })
    await bound.fetch(request, context)
    expect(args).toEqual([request, context])
    expect(args[1]).toBe(context)
  })

  it('refuses what follows no convention, and a decorated class without fetch', () => {
    expect(() => bindFunction({})).toThrow('a value of type object is not a function')
    class Empty {}
    FezzFunction('empty', '/empty')(Empty as never)
    expect(() => bindFunction(Empty)).toThrow('class Empty has no fetch method')
  })

  it('lets through what a constructor throws', () => {
    class Broken extends Plain {
      constructor() {
        super()
        throw new Error('no database')
      }
    }
    expect(() => bindFunction(Broken)).toThrow('no database')
  })
})
