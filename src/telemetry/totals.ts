import type { Family, MetricType, Sample } from './prometheus.ts'

/** A sample with all of its labels, as it is told to another process. */
interface SampleSnapshot {
  readonly name: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

/** A {@link Family} at one moment: plain data, that can be told as JSON. */
export interface FamilySnapshot extends Pick<Family, 'name' | 'help' | 'type' | 'across'> {
  readonly samples: readonly SampleSnapshot[]
}

/**
 * The families as plain data, in slices of at most `size` samples, so that a process that serves
 * requests can give way between them. A family may be spread over several slices.
 */
export function* snapshotSlices(
  families: Iterable<Family>,
  size: number,
): Generator<readonly FamilySnapshot[]> {
  let slice: FamilySnapshot[] = []
  let room = size
  for (const { samples: samplesOf, ...family } of families) {
    let samples: SampleSnapshot[] = []
    for (const sample of samplesOf()) {
      samples.push(snapshotOf(family.name, sample))
      if (--room > 0) continue
      yield [...slice, { ...family, samples }]
      slice = []
      samples = []
      room = size
    }
    if (samples.length > 0) slice.push({ ...family, samples })
  }
  if (slice.length > 0) yield slice
}

/**
 * What only grows: counters, histograms, and the sums of summaries. It counts on when the process
 * that has told it is gone, for a total must never go back.
 */
export function cumulativePart(families: Iterable<FamilySnapshot>): FamilySnapshot[] {
  return Array.from(families, family => ({
    ...family,
    samples: family.samples.filter(({ name }) => isCumulative(family.type, name)),
  })).filter(({ samples }) => samples.length > 0)
}

/** Adds up what several processes have told of the same families. */
export class Totals {
  readonly #families = new Map<string, Total>()

  /** Adds the part of one process. */
  add(families: Iterable<FamilySnapshot>): this {
    for (const { samples, ...family } of families) {
      let total = this.#families.get(family.name)
      if (total === undefined) {
        total = { family, samples: new Map() }
        this.#families.set(family.name, total)
      }
      for (const sample of samples) addSample(total, sample)
    }
    return this
  }

  /** What has been added up so far. */
  snapshot(): FamilySnapshot[] {
    return Array.from(this.#families.values(), ({ family, samples }) => ({
      ...family,
      samples: [...samples.values()],
    }))
  }
}

/** A snapshot as it is rendered. */
export function familyOf({ samples, ...family }: FamilySnapshot): Family {
  return {
    ...family,
    samples: () =>
      samples.map(({ name, labels, value }) => ({ metricName: name, labels, value }) as const),
  }
}

interface Total {
  readonly family: Omit<FamilySnapshot, 'samples'>
  readonly samples: Map<string, SampleSnapshot>
}

function addSample({ family, samples }: Total, sample: SampleSnapshot): void {
  const { name, labels } = sample
  const key = JSON.stringify([name, Object.entries(labels).sort()])
  const before = samples.get(key)
  samples.set(key, before === undefined ? sample : joined(family, before, sample))
}

function joined(
  { type, across }: Total['family'],
  one: SampleSnapshot,
  other: SampleSnapshot,
): SampleSnapshot {
  // Quantiles cannot be added; the worst of them is what a client may meet.
  const way = type === 'summary' ? 'max' : across
  const isSum = isCumulative(type, one.name) || way === 'sum'
  return { ...one, value: isSum ? one.value + other.value : Math[way](one.value, other.value) }
}

function isCumulative(type: MetricType, name: string): boolean {
  if (type === 'summary') return /_(?:sum|count)$/.test(name)
  return type !== 'gauge'
}

function snapshotOf(familyName: string, sample: Sample): SampleSnapshot {
  const { metricName: name = familyName, labels, sharedLabels, value } = sample
  return { name, labels: { ...labels, ...sharedLabels }, value }
}
