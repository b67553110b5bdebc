import { transform } from 'esbuild'
import { describe, expect, expectTypeOf, it } from 'vitest'
import * as decorators from '../../decorators/index.ts'
import { FezzFunction, manifestOf } from '../../decorators/index.ts'
import { MANIFEST_METADATA_KEY, type ManifestInput } from '../../src/function/manifest.ts'

type Class = new () => { fetch(request: Request): Response }

/** What `source` exports, compiled in one of the two dialects. */
async function compile(source: string, experimentalDecorators: boolean) {
  const { code } = await transform(source, {
    loader: 'ts',
    format: 'cjs',
    target: 'es2022',
    tsconfigRaw: { compilerOptions: { experimentalDecorators } },
  })
  const module = { exports: {} as Record<string, Class> }
  new Function('require', 'module', 'exports', code)(() => decorators, module, module.exports)
  return module.exports
}

describe.each([
  ['legacy', true],
  ['TC39', false],
])('@FezzFunction in the %s dialect', (_, experimentalDecorators) => {
  const load = (source: string) =>
    compile(
      `import { FezzFunction, manifestOf } from 'fezz/decorators'\n${source}`,
      experimentalDecorators,
    )

  it('keeps what an id and a path declare', async () => {
    const { Hello } = await load(`
      @FezzFunction('hello', '/hello')
      export class Hello { fetch() { return new Response('hi') } }`)
    expect(manifestOf(Hello!)).toEqual({ id: 'hello', path: '/hello' })
    expect(await new Hello!().fetch(new Request('http://x/')).text()).toBe('hi')
  })

  it('keeps what options and what one object declare', async () => {
    const { First, Second } = await load(`
      @FezzFunction('first', '/first', { method: ['GET', 'POST'], timeout: '500ms', env: { A: 'b' } })
      export class First { fetch() {} }
      @FezzFunction({ id: 'second', path: '/second', version: 'v2', priority: 3 })
      export class Second { fetch() {} }`)
    expect(manifestOf(First!)).toEqual({
      id: 'first',
      path: '/first',
      method: ['GET', 'POST'],
      timeout: '500ms',
      env: { A: 'b' },
    })
    expect(manifestOf(Second!)).toEqual({
      id: 'second',
      path: '/second',
      version: 'v2',
      priority: 3,
    })
  })

  it('declares nothing for a subclass without a decorator of its own', async () => {
    const { Child, Other } = await load(`
      @FezzFunction('parent', '/parent')
      class Parent { fetch() {} }
      export class Child extends Parent {}
      @FezzFunction('other', '/other')
      export class Other extends Parent {}`)
    expect(manifestOf(Child!)).toBeUndefined()
    expect(manifestOf(Other!)).toEqual({ id: 'other', path: '/other' })
  })

  it('declares it for the class that an inner decorator has put in place', async () => {
    const { Hello } = await load(`
      const renew = target => class extends target {}
      @FezzFunction('hello', '/hello')
      @renew
      export class Hello { fetch() {} }`)
    expect(manifestOf(Hello!)).toEqual({ id: 'hello', path: '/hello' })
  })

  it('does not decorate a method', async () => {
    const loading = load(`
      export class Hello { @FezzFunction('hello', '/hello') fetch() {} }`)
    await expect(loading).rejects.toThrow('@FezzFunction decorates classes')
  })
})

it('declares it for the class that an outer decorator of the standard has put in place', async () => {
  const { Hello } = await compile(
    `import { FezzFunction } from 'fezz/decorators'
    const renew = target => class extends target {}
    @renew
    @FezzFunction('hello', '/hello')
    export class Hello { fetch() {} }`,
    false,
  )
  expect(manifestOf(Hello!)).toEqual({ id: 'hello', path: '/hello' })
})

describe('FezzFunction', () => {
  it('works as a plain call, without decorator syntax', () => {
    class Hello {
      fetch() {
        return new Response()
      }
    }
    FezzFunction('hello', '/hello')(Hello)
    expect(manifestOf(Hello)).toEqual({ id: 'hello', path: '/hello' })
  })

  it('leaves bad values to registration', () => {
    class Hello {
      fetch() {
        return new Response()
      }
    }
    FezzFunction('', 'no-slash', { method: 'FETCH', timeout: -1 })(Hello)
    expect(manifestOf(Hello)).toEqual({ id: '', path: 'no-slash', method: 'FETCH', timeout: -1 })
  })

  it('keeps a frozen copy, so that a later change of the options changes nothing', () => {
    const options = { method: ['GET'], env: { A: 'before' } }
    class Hello {
      fetch() {
        return new Response()
      }
    }
    FezzFunction('hello', '/hello', options)(Hello)
    options.method.push('POST')
    options.env.A = 'after'
    const manifest = manifestOf(Hello)
    expect(manifest).toEqual({ id: 'hello', path: '/hello', method: ['GET'], env: { A: 'before' } })
    expect(Object.isFrozen(manifest)).toBe(true)
    expect(Object.isFrozen(manifest?.env)).toBe(true)
    expect(Object.isFrozen(manifest?.method)).toBe(true)
  })

  it.each([
    [[]],
    [['hello']],
    [[42, '/hello']],
    [['hello', { method: 'GET' }]],
    [['hello', '/hello', 'GET']],
    [[['hello', '/hello']]],
    [[null]],
  ])('refuses the arguments %j and shows the two forms', args => {
    const call = () => (FezzFunction as (...args: unknown[]) => unknown)(...args)
    expect(call).toThrow(TypeError)
    expect(call).toThrow("@FezzFunction('hello', '/hello', { method: 'GET' }) or @FezzFunction({")
  })

  it('keeps the manifest under the key that the host reads', () => {
    class Hello {
      fetch() {
        return new Response()
      }
    }
    FezzFunction('hello', '/hello')(Hello)
    expect(Reflect.getOwnMetadata(MANIFEST_METADATA_KEY, Hello)).toBe(manifestOf(Hello))
  })

  it('accepts classes with a fetch method only, as far as the compiler sees', () => {
    const decorate = FezzFunction('hello', '/hello')
    decorate(
      class {
        async fetch(request: Request, context: { env: Readonly<Record<string, string>> }) {
          return new Response(request.url + context.env['A'])
        }
      },
    )
    class Empty {}
    // @ts-expect-error: no fetch
    decorate(Empty)
    class Text {
      fetch() {
        return 'text'
      }
    }
    // @ts-expect-error: fetch returns no Response
    decorate(Text)
    class Needy {
      readonly store: Map<string, string>
      constructor(store: Map<string, string>) {
        this.store = store
      }
      fetch() {
        return new Response(this.store.get('a'))
      }
    }
    // @ts-expect-error: nobody would pass the store
    decorate(Needy)
    expectTypeOf(manifestOf).returns.toEqualTypeOf<ManifestInput | undefined>()
  })
})
