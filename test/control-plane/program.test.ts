import { expect, it } from 'vitest'
import {
  FunctionEntry,
  type FunctionEvent,
  FunctionStore,
  MemoryStore,
  Route,
  RouteTable,
} from '../../src/control-plane/index.ts'

it('a program registers functions, asks for them, and watches them change', async () => {
  await using store = new MemoryStore()
  const functions = new FunctionStore(store)
  const entry = new FunctionEntry({ id: 'my-fn', version: 'v1', method: 'GET', path: '/api/test' })
  const leaving = new AbortController()
  const seen: FunctionEvent[] = []
  const watched = (async () => {
    for await (const event of functions.watch({ signal: leaving.signal })) {
      seen.push(event)
      if (event.type === 'Removed') leaving.abort()
    }
  })()

  await functions.register(entry.onNode('node-1'))
  await expect.poll(() => seen.length).toBe(1)
  expect((await functions.get('my-fn'))?.placement).toEqual({ nodes: ['node-1'] })
  expect([...(await functions.list()).entries.keys()]).toEqual(['my-fn'])
  await functions.register(new FunctionEntry({ id: 'my-fn', version: 'v2', path: '/api/test' }))
  await expect.poll(() => seen.length).toBe(2)
  expect(await functions.unregister('my-fn')).toBe(true)
  expect(await functions.unregister('my-fn')).toBe(false)
  await watched

  const told = seen.map(event => [
    event.type,
    'entry' in event ? event.entry.manifest.version : event.id,
  ])
  expect(told).toEqual([
    ['Added', 'v1'],
    ['Updated', 'v2'],
    ['Removed', 'my-fn'],
  ])
})

it('a program asks which route answers', () => {
  const table = new RouteTable()
    .add(new Route('GET', '/api/users', 'users-list'))
    .add(new Route('GET', '/api/users/:id', 'user-get'))
    .add(new Route('GET', '/api/*', 'api-catch-all').priority(-1))
  expect(table.find('/api/users/123', 'GET')).toMatchObject({
    target: 'user-get',
    params: { id: '123' },
  })
  expect(table.find('/api/other', 'GET')).toMatchObject({ target: 'api-catch-all' })
})
