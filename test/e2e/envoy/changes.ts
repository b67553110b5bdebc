import { setTimeout as sleep } from 'node:timers/promises'
import type { Edge } from './edge.ts'
import type { Ask } from './load.ts'

const HOT = 4
const COLD = 12

/** Asks all the time for a few functions, and now and then for many; every fourth changes something. */
export function mixed(index: number): Ask {
  const method = index % 4 === 3 ? 'POST' : 'GET'
  const isCold = index % 10 === 0
  const name = isCold ? `cold-${(index / 10) % COLD}` : `hot-${(index >> 2) % HOT}`
  // Some answers take a while, so that there is always something under way.
  const ms = [0, 5, 0, 30][(index >> 4) % 4]
  return { method, path: `/${name}?ms=${ms}` }
}

/** Registers what {@link mixed} asks for. @returns the revision of the last */
export async function putMixed(edge: Edge, version: string): Promise<string> {
  let revision = ''
  for (let index = 0; index < HOT; index++) revision = await putHot(edge, index, version)
  for (let index = 0; index < COLD; index++) {
    const id = `cold-${index}`
    revision = await edge.put({ id, version, method: 'ANY', path: `/${id}`, idleTtl: '1s' })
  }
  return revision
}

/** Half of the functions by affinity, half spread. */
function putHot(edge: Edge, index: number, version: string): Promise<string> {
  const id = `hot-${index}`
  const balance = index % 2 === 0 ? 'affinity' : 'spread'
  return edge.put({ id, version, method: 'ANY', path: `/${id}` }, { balance })
}

/** Ends each host as an operator would, and starts it again, one after the other. */
export async function restartEach(edge: Edge, pauseMs = 500): Promise<void> {
  for (const host of edge.hosts) {
    await host.stop()
    await sleep(pauseMs)
    await host.start()
    await sleep(pauseMs)
  }
}

/**
 * A new route of a function, a new function, and both gone again. What is there is asked for as soon
 * as the hosts have it, what goes only until then.
 *
 * @returns wrong answers
 */
export async function changeRoutes(edge: Edge, version: string): Promise<readonly string[]> {
  const wrong: string[] = []
  const ask = async (path: string, times: number) => {
    for (let count = 0; count < times; count++) {
      const answer = await fetch(edge.url + path)
      const text = await answer.text()
      if (!answer.ok) wrong.push(`${path}: ${answer.status} ${text}`)
    }
  }
  const extra = `/extra-${version}`
  const routes = ['/moved', extra]
  await edge.applied(await edge.put({ id: 'moved', version, routes }))
  await ask(extra, 20)
  for (const balance of ['affinity', 'spread'] as const) {
    const id = `new-${balance}-${version}`
    await edge.applied(await edge.put({ id, version, path: `/${id}` }, { balance }))
    await ask(`/${id}`, 20)
    await sleep(100)
    await ask(`/${id}`, 20)
    await edge.functions.unregister(id)
  }
  await ask(extra, 5)
  await edge.put({ id: 'moved', version, routes: ['/moved'] })
  await ask('/moved', 20)
  return wrong
}
