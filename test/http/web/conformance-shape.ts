import { inspect } from 'node:util'
import type { Case, Subject } from './conformance.ts'

// What an object looks like to code that lists, borrows or prints its members.

const get = (web: Subject) => web.receive('GET', [['X-Name', 'Alice']])

const listed = (object: object) => {
  const keys: string[] = []
  for (const key in object) keys.push(key)
  return keys.sort()
}

/** Each member, of the object's classes together: which of them has it is not compared. */
const members = (object: object) => {
  const found: Record<string, unknown> = {}
  for (let at = Object.getPrototypeOf(object); at !== Object.prototype; at = parent(at)) {
    for (const key of Reflect.ownKeys(at)) {
      if (key === 'constructor') continue
      const { value, get, set, ...flags } = Object.getOwnPropertyDescriptor(at, key)!
      const code = value ?? get
      found[String(key)] ??= [flags, code?.name, code?.length, set === undefined]
    }
  }
  return found
}

const parent = (object: object) => Object.getPrototypeOf(object)

const hasInherited = Object.prototype.isPrototypeOf

const getter = (Class: { prototype: object }, key: string) =>
  Object.getOwnPropertyDescriptor(Class.prototype, key)!.get!

export const shapeCases: Record<string, Case> = {
  'for-in of a request': web => listed(get(web)),
  'for-in of a response': web => listed(new web.Response('a')),
  'for-in of headers': web => listed(get(web).headers),
  'a request copied member by member': web => {
    const request = get(web)
    const copy: Record<string, unknown> = {}
    for (const key in request) copy[key] = request[key as keyof Request]
    return [copy['method'], copy['url'], typeof copy['headers'], typeof copy['json']]
  },
  'members of a request': web => members(get(web)),
  'members of a request that the function made': web => members(new web.Request('http://a.test/')),
  'members of a response': web => members(new web.Response('a')),
  'members of headers': web => members(get(web).headers),
  'own keys': web =>
    [get(web), get(web).headers, new web.Response('a')].map(object => Reflect.ownKeys(object)),
  'the classes': web =>
    [web.Request, web.Response, web.Headers].map(Class => [
      Class.name,
      Class.length,
      Object.keys(Class),
      Class.prototype.constructor === Class,
    ]),
  'statics of Response': web => {
    const { error, json, redirect } = web.Response
    return [error, json, redirect].map(({ name, length }) => [name, length])
  },
  constructors: web => [
    get(web).constructor === web.Request,
    new web.Request('http://a.test/').constructor === web.Request,
    new web.Response('a').constructor === web.Response,
    new web.Response('a').clone().constructor === web.Response,
    get(web).headers.constructor === web.Headers,
    new web.Response('a').headers.constructor === web.Headers,
  ],
  prototypes: web => [
    Object.getPrototypeOf(new web.Request('http://a.test/')) === web.Request.prototype,
    Object.getPrototypeOf(new web.Response('a')) === web.Response.prototype,
    hasInherited.call(web.Request.prototype, get(web)),
    hasInherited.call(web.Headers.prototype, get(web).headers),
  ],
  'what only has the prototype': web => [
    Object.create(web.Request.prototype) instanceof web.Request,
    Object.create(web.Response.prototype) instanceof web.Response,
  ],
  'entries is the iterator': web => {
    const { headers } = get(web)
    return headers[Symbol.iterator] === headers.entries
  },
  'a getter of Request borrowed': web =>
    ['url', 'method', 'bodyUsed'].map(key => getter(web.Request, key).call(get(web))),
  'a method of Request borrowed': web => web.Request.prototype.text.call(get(web)),
  'a getter of Response borrowed': web =>
    getter(web.Response, 'status').call(new web.Response('a', { status: 201 })),
  'a method of Response borrowed for what redirect() made': web =>
    web.Response.prototype.text.call(web.Response.redirect('http://a.test/')),
  'a member borrowed for anything else': web => getter(web.Request, 'url').call({}),
  'Reflect.get with a receiver': web => Reflect.get(web.Request.prototype, 'method', get(web)),
  'a member that is assigned': web => {
    const request = get(web)
    return Reflect.set(request, 'url', 'http://other.test/') || request.url
  },
  'a class of a Request with members of its own': web => {
    class Mine extends web.Request {
      get shout() {
        return `${Reflect.get(web.Request.prototype, 'url', this)}!`
      }
    }
    const mine = new Mine(get(web))
    return [mine.shout, mine.constructor === Mine, get(web) instanceof Mine, Mine.name, Mine.length]
  },
  'a request printed': web => inspect(new web.Request(get(web))),
  'a received request printed': web => inspect(get(web)),
  'a response printed': web =>
    inspect(new web.Response('a', { headers: { b: 'c' } }), { showHidden: true }),
  'headers printed': web => inspect(get(web).headers),
  'printed within other things': web => inspect({ a: { b: { c: new web.Response('a') } } }),
  'printed, then read': async web => {
    const request = web.receive('POST', [], 'abc')
    const response = new web.Response('abc')
    inspect([request, response])
    return [request.bodyUsed, await request.text(), response.bodyUsed, await response.text()]
  },
  'as JSON': web => JSON.stringify([get(web), { ...get(web) }, new web.Response('a')]),
}
