import { getHeapStatistics } from 'node:v8'
import { type FunctionMetrics, STATUS_CLASSES, UNLOAD_REASONS } from './function-metrics.ts'
import type { Histogram } from './histogram.ts'
import type { Family, MetricType, Sample } from './prometheus.ts'

/**
 * A family whose samples are worked out when it is scraped.
 *
 * @param across how a gauge of several processes becomes one value. Default `sum`
 */
export function family(
  type: MetricType,
  name: string,
  help: string,
  samples: (name: string) => Iterable<Sample>,
  across: Family['across'] = 'sum',
): Family {
  return { type, name, help, across, samples: () => samples(name) }
}

/** A family of one sample per entry, the key being the label's value. */
export function byLabel(
  label: string,
  entries: Iterable<readonly [string, number]>,
  shared?: FunctionMetrics,
): Sample[] {
  return Array.from(entries, ([key, value]) => ({
    labels: { [label]: key },
    ...(shared && { sharedLabels: shared.labels }),
    value,
  }))
}

/** The families that have a series, or several, for each function. */
export function functionFamilies(functions: ReadonlyMap<string, FunctionMetrics>): Family[] {
  const each = (
    type: MetricType,
    name: string,
    help: string,
    samplesOf: (metrics: FunctionMetrics, name: string) => Iterable<Sample>,
  ): Family =>
    family(type, name, help, function* () {
      for (const metrics of functions.values()) yield* samplesOf(metrics, name)
    })
  const one = (
    type: MetricType,
    name: string,
    help: string,
    read: (metrics: FunctionMetrics) => number,
  ): Family => each(type, name, help, m => [{ sharedLabels: m.labels, value: read(m) }])

  return [
    each('counter', 'fezz_requests_total', 'Requests answered by a function.', m =>
      byLabel(
        'status_class',
        STATUS_CLASSES.map(each => [each, m.requests(each)]),
        m,
      ),
    ),
    each(
      'histogram',
      'fezz_request_duration_seconds',
      'Time from a request to its response.',
      (m, name) => histogramSamples(name, m, m.requestDuration),
    ),
    one('gauge', 'fezz_requests_in_flight', 'Requests being answered now.', m => m.inFlight),
    one('counter', 'fezz_function_loads_total', 'Loads that succeeded.', m => m.loads),
    one('counter', 'fezz_function_load_failures_total', 'Loads that failed.', m => m.loadFailures),
    each(
      'histogram',
      'fezz_function_load_duration_seconds',
      'Time of a successful load, onLoad included.',
      (m, name) => histogramSamples(name, m, m.loadDuration),
    ),
    each('counter', 'fezz_function_unloads_total', 'Instances unloaded, by reason.', m =>
      byLabel(
        'reason',
        UNLOAD_REASONS.map(reason => [reason, m.unloads(reason)] as const).filter(([, n]) => n > 0),
        m,
      ),
    ),
    each('counter', 'fezz_errors_total', 'Errors of a function, by code.', m =>
      byLabel('code', m.errors, m),
    ),
  ]
}

/** Bucket, sum and count lines; none while nothing has been observed, to keep a scrape short. */
function histogramSamples(name: string, metrics: FunctionMetrics, histogram: Histogram): Sample[] {
  const cumulative = histogram.cumulative()
  const count = cumulative.at(-1)!
  if (count === 0) return []
  const sharedLabels = metrics.labels
  return [
    ...cumulative.map((value, index) => ({
      metricName: `${name}_bucket`,
      labels: { le: histogram.bounds[index] ?? '+Inf' },
      sharedLabels,
      value,
    })),
    { metricName: `${name}_sum`, sharedLabels, value: histogram.sumSeconds },
    { metricName: `${name}_count`, sharedLabels, value: count },
  ]
}

/** Memory, processor time and start time of this process. */
export function processFamilies(): Family[] {
  const one = (
    type: MetricType,
    name: string,
    help: string,
    value: () => number,
    across?: Family['across'],
  ): Family => family(type, name, help, () => [{ value: value() }], across)
  return [
    one(
      'gauge',
      'fezz_heap_used_bytes',
      'JavaScript heap in use.',
      () => process.memoryUsage().heapUsed,
    ),
    one(
      'gauge',
      'fezz_heap_limit_bytes',
      'Size the JavaScript heap may grow to.',
      () => getHeapStatistics().heap_size_limit,
    ),
    one(
      'gauge',
      'fezz_external_memory_bytes',
      'Memory of buffers and other objects outside the heap.',
      () => process.memoryUsage().external,
    ),
    one('gauge', 'process_resident_memory_bytes', 'Resident memory of the process.', () =>
      process.memoryUsage.rss(),
    ),
    one('counter', 'process_cpu_seconds_total', 'User and system processor time.', () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1e6
    }),
    one(
      'gauge',
      'process_start_time_seconds',
      'Start of the process, Unix time.',
      () => performance.timeOrigin / 1000,
      'min',
    ),
  ]
}
