import { setTimeout as sleep } from 'node:timers/promises'
import { percentile } from '../statistics.mjs'
import { load } from '../wrk.mjs'
import { startHost } from './host.mjs'

/** Loads after which memory is looked at: the first brings what all share. */
const FIRST = 1
const LATER = 10
/** For what an instance starts with to end, and garbage of the load to be collected. */
const REST_MS = 500
const WARM_REQUESTS = 3_000
const WARM_UP_REQUESTS = 500

export function spread(samples) {
  return { p50Ms: percentile(samples, 0.5), p99Ms: percentile(samples, 0.99), n: samples.length }
}

/**
 * The first request to each of `count` functions, one after the other: load and answer.
 * @param options `refillMs`: rest before each, in which a warm pool fills up again; `memory()`: when
 * given, asked after the first and the tenth
 * @returns `cold`, and `memory`: what each instance after the first has added
 */
export async function measureCold(files, settings, { count, refillMs = 0, memory }) {
  const host = await startHost(files, settings)
  try {
    const samples = []
    const seen = []
    for (let index = 0; index < count; index++) {
      if (refillMs > 0) await sleep(refillMs)
      samples.push(await host.client.ask(`/cold-${index}`))
      if (memory !== undefined && (samples.length === FIRST || samples.length === LATER)) {
        await sleep(REST_MS)
        seen.push(await memory(host.pid))
      }
    }
    return { cold: spread(samples), memory: addedBy(seen) }
  } finally {
    await host.stop()
  }
}

function addedBy([first, later]) {
  if (first === undefined || later === undefined) return undefined
  const each = field => (later[field] - first[field]) / (LATER - FIRST)
  return Object.fromEntries(Object.keys(first).map(field => [field, each(field)]))
}

/** One loaded function at `path`: one request at a time, then wrk's 64 connections. */
export async function measureWarm(files, settings, options) {
  const { seconds, warmUpSeconds, isSpread, path = '/hello' } = options
  const host = await startHost(files, settings, { isSpread })
  try {
    const { client, url } = host
    for (let round = 0; round < WARM_UP_REQUESTS; round++) await client.ask(path)
    const samples = []
    for (let round = 0; round < WARM_REQUESTS; round++) samples.push(await client.ask(path))
    await load(url + path, warmUpSeconds)
    const { errors, ...loaded } = await load(url + path, seconds)
    if (errors !== '') throw new Error(`failed under load: ${errors}`)
    return { warm: spread(samples), loaded }
  } finally {
    await host.stop()
  }
}

/** Requests to the sleeping function at `path`, each after `restMs` in which nobody has asked. */
export async function measureWake(files, settings, { path, count, restMs }) {
  const host = await startHost(files, settings)
  try {
    await host.client.ask(path)
    const samples = []
    for (let round = 0; round < count; round++) {
      await sleep(restMs)
      samples.push(await host.client.ask(path))
    }
    return spread(samples)
  } finally {
    await host.stop()
  }
}
