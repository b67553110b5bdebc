import { setImmediate as turn } from 'node:timers/promises'

/** One line of the exposition, without its metric's own name where that is the family's. */
export interface Sample {
  readonly value: number
  readonly labels?: Readonly<Record<string, string | number>>
  /** Labels shared by many samples as one and the same object: worded once, remembered by identity. */
  readonly sharedLabels?: Readonly<Record<string, string>>
  /** Default: the family's name. For `_bucket`, `_sum` and `_count`. */
  readonly metricName?: string
}

/** Of the kinds of metric, those in use. */
export type MetricType = 'counter' | 'gauge' | 'histogram' | 'summary'

/** All samples of one metric name. */
export interface Family {
  readonly name: string
  readonly help: string
  readonly type: MetricType
  /** How a gauge of several processes becomes one value; the other types add up. */
  readonly across: 'sum' | 'max' | 'min'
  /** Made lazily: a scrape pulls a slice of them, gives way, and pulls the next. */
  samples(): Iterable<Sample>
}

/** What is answered to a scrape. */
export interface Exposition {
  readonly contentType: string
  /** UTF-8, in pieces: to join those of many functions would hold up requests. */
  readonly body: readonly Buffer[]
}

/** The part of prom-client that is used: its rendering of one metric. */
interface Renderer {
  readonly contentType: string
  getMetricsAsString(metric: { get(): object }): Promise<string>
}

/** Samples rendered in one turn of the event loop: less than 1 ms. */
const SLICE = 250

async function loadRenderer(): Promise<Renderer> {
  // The registry alone, a few milliseconds at the first scrape, instead of tens for all of
  // prom-client: the recorders are Fezz's own.
  // @ts-expect-error a deep path has no types
  const { default: Registry } = await import('prom-client/lib/registry.js')
  return new Registry() as Renderer
}

/**
 * The families in the Prometheus text format, rendered by prom-client in slices, so that a scrape
 * of many functions never holds up requests.
 */
export async function renderFamilies(families: Iterable<Family>): Promise<Exposition> {
  const registry = await loadRenderer()
  const parts: Buffer[] = []
  let budget = SLICE
  for (const family of families) {
    let slice: Sample[] = []
    let first = true
    const renderSlice = async (): Promise<void> => {
      const { name, help, type } = family
      const text = await registry.getMetricsAsString({
        get: () => ({ name, help, type, values: slice }),
      })
      // HELP and TYPE may occur once per family.
      const lines = first ? text : text.slice(text.indexOf('\n', text.indexOf('\n') + 1) + 1)
      parts.push(Buffer.from(`${lines}\n`))
      first = false
      slice = []
    }
    for (const sample of family.samples()) {
      slice.push(sample)
      if (--budget === 0) {
        await renderSlice()
        await turn()
        budget = SLICE
      }
    }
    if (slice.length > 0) await renderSlice()
  }
  return { contentType: registry.contentType, body: parts }
}
