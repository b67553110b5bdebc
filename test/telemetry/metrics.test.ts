import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { promtool } from '../services/promtool.ts'

const checker = await promtool()

let metrics: Metrics
beforeEach(() => {
  metrics = new Metrics('1.2.3')
})
afterEach(() => {
  metrics.close()
})

/** The samples of a scrape: `name{labels}` to value. */
async function scrape(): Promise<Map<string, number>> {
  const body = Buffer.concat((await metrics.render()).body).toString()
  return new Map(
    body
      .split('\n')
      .filter(line => line !== '' && !line.startsWith('#'))
      .map(line => {
        const at = line.lastIndexOf(' ')
        return [line.slice(0, at), Number(line.slice(at + 1))]
      }),
  )
}

describe('a function', () => {
  it('counts its requests by class of status', async () => {
    const hello = metrics.forFunction('hello')
    for (const status of [200, 204, 301, 404, 499, 500]) hello.recordRequest(status, 1)
    const samples = await scrape()
    expect(samples.get('fezz_requests_total{status_class="2xx",function="hello"}')).toBe(2)
    expect(samples.get('fezz_requests_total{status_class="3xx",function="hello"}')).toBe(1)
    expect(samples.get('fezz_requests_total{status_class="4xx",function="hello"}')).toBe(2)
    expect(samples.get('fezz_requests_total{status_class="5xx",function="hello"}')).toBe(1)
  })

  it('puts durations into cumulative buckets of seconds, bounds included', async () => {
    const hello = metrics.forFunction('hello')
    for (const durationMs of [0.1, 1, 1.1, 30_000, 40_000]) hello.recordRequest(200, durationMs)
    const samples = await scrape()
    const bucket = (le: string): number | undefined =>
      samples.get(`fezz_request_duration_seconds_bucket{le="${le}",function="hello"}`)
    expect(bucket('0.0005')).toBe(1)
    expect(bucket('0.001')).toBe(2)
    expect(bucket('0.0025')).toBe(3)
    expect(bucket('10')).toBe(3)
    expect(bucket('30')).toBe(4)
    expect(bucket('+Inf')).toBe(5)
    expect(samples.get('fezz_request_duration_seconds_count{function="hello"}')).toBe(5)
    expect(samples.get('fezz_request_duration_seconds_sum{function="hello"}')).toBeCloseTo(70.0022)
  })

  it('counts loads, failed loads, unloads and errors, and shows what is in flight', async () => {
    const hello = metrics.forFunction('hello')
    hello.recordLoad(3)
    hello.recordLoadFailure()
    hello.recordLoadFailure()
    hello.recordUnload('idle')
    hello.recordError('CLIENT_CLOSED')
    hello.inFlight = 4
    const samples = await scrape()
    expect(samples.get('fezz_function_loads_total{function="hello"}')).toBe(1)
    expect(samples.get('fezz_function_load_duration_seconds_sum{function="hello"}')).toBe(0.003)
    expect(samples.get('fezz_function_load_failures_total{function="hello"}')).toBe(2)
    expect(samples.get('fezz_function_unloads_total{reason="idle",function="hello"}')).toBe(1)
    expect(samples.get('fezz_errors_total{code="CLIENT_CLOSED",function="hello"}')).toBe(1)
    expect(samples.get('fezz_requests_in_flight{function="hello"}')).toBe(4)
  })

  it('keeps its counts however often it is asked for, and leaves when it is removed', async () => {
    metrics.forFunction('hello').recordRequest(200, 1)
    metrics.forFunction('hello').recordRequest(200, 1)
    metrics.forFunction('other')
    const series = 'fezz_requests_total{status_class="2xx",function="hello"}'
    expect((await scrape()).get(series)).toBe(2)
    metrics.removeFunction('hello')
    const names = [...(await scrape()).keys()]
    expect(names.filter(name => name.includes('"hello"'))).toEqual([])
    expect(names.filter(name => name.includes('"other"'))).not.toEqual([])
  })
})

describe('the host', () => {
  it('counts refused requests by code', async () => {
    metrics.recordRejected('NOT_FOUND')
    metrics.recordRejected('NOT_FOUND')
    expect((await scrape()).get('fezz_requests_rejected_total{code="NOT_FOUND"}')).toBe(2)
  })

  it('asks for states and routes at each scrape', async () => {
    let ready = 1
    metrics.observe({ functionStates: () => ({ Ready: ready, Unloaded: 0 }), routes: () => 7 })
    expect((await scrape()).get('fezz_functions{state="Ready"}')).toBe(1)
    ready = 2
    const samples = await scrape()
    expect(samples.get('fezz_functions{state="Ready"}')).toBe(2)
    expect(samples.get('fezz_functions{state="Unloaded"}')).toBe(0)
    expect(samples.get('fezz_routes')).toBe(7)
  })

  it('tells version, memory, processor time, start and event-loop delay', async () => {
    const samples = await scrape()
    expect(samples.get(`fezz_build_info{version="1.2.3",node="${process.version}"}`)).toBe(1)
    expect(samples.get('fezz_heap_used_bytes')).toBeGreaterThan(1e6)
    expect(samples.get('process_resident_memory_bytes')).toBeGreaterThan(1e6)
    expect(samples.get('process_cpu_seconds_total')).toBeGreaterThan(0)
    expect(samples.get('process_start_time_seconds')).toBeLessThan(Date.now() / 1000)
    expect(samples.get('fezz_event_loop_delay_seconds{quantile="0.99"}')).toBeGreaterThanOrEqual(0)
  })

  it('sees a blocked event loop, once', async () => {
    const longest = 'fezz_event_loop_delay_seconds{quantile="1"}'
    // The sampler measures from one of its ticks to the next, 20 ms later.
    await setTimeout(100)
    const until = performance.now() + 300
    while (performance.now() < until);
    await setTimeout(100)
    expect((await scrape()).get(longest)).toBeGreaterThan(0.2)
    expect((await scrape()).get(longest)).toBeLessThan(0.2)
  })

  it('can be closed twice', () => {
    metrics.close()
    expect(() => metrics.close()).not.toThrow()
  })
})

describe('a scrape', () => {
  it('gives way to others while it renders many functions, and repeats no HELP', async () => {
    for (let i = 0; i < 500; i++) metrics.forFunction(`function-${i}`).recordRequest(200, 1)
    let turns = 0
    let done = false
    const count = (): void => {
      turns += 1
      if (!done) setImmediate(count)
    }
    setImmediate(count)
    const body = Buffer.concat((await metrics.render()).body).toString()
    done = true
    expect(turns).toBeGreaterThan(20)
    const help = body.split('\n').filter(line => line.startsWith('# HELP'))
    expect(new Set(help).size).toBe(help.length)
    expect(body.match(/^fezz_requests_in_flight\{/gm)).toHaveLength(500)
    expect(body.match(/^fezz_request_duration_seconds_count\{/gm)).toHaveLength(500)
  })

  it('says that it is Prometheus text', async () => {
    const { contentType } = await metrics.render()
    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8')
  })

  describe.skipIf(checker === undefined)('checked by promtool', () => {
    it.each([
      ['of a fresh host', 0],
      ['of a used host', 3],
      ['that takes many slices', 200],
    ])('%s has no error and no complaint', async (_, functions) => {
      metrics.observe({
        functionStates: () => ({ Ready: functions, Unloaded: 0 }),
        routes: () => 2,
      })
      metrics.recordRejected('BAD_REQUEST')
      for (let i = 0; i < functions; i++) {
        const fn = metrics.forFunction(`function-${i}`)
        fn.recordRequest(200, i)
        fn.recordLoad(i)
        fn.recordUnload('evicted')
        fn.recordError('FUNCTION_ERROR')
      }
      const body = Buffer.concat((await metrics.render()).body).toString()
      expect(await complaints(checker!, body)).toBe('')
    })

    it('would complain about a wrong name', async () => {
      const wrong = '# HELP wrong_total x\n# TYPE wrong_total gauge\nwrong_total 1\n'
      expect(await complaints(checker!, wrong)).not.toBe('')
    })
  })
})

async function complaints(program: string, exposition: string): Promise<string> {
  const child = spawn(program, ['check', 'metrics'], { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.end(exposition)
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  return out + err
}
