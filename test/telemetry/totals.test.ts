import { describe, expect, it } from 'vitest'
import { family } from '../../src/telemetry/families.ts'
import type { Family, Sample } from '../../src/telemetry/prometheus.ts'
import {
  cumulativePart,
  type FamilySnapshot,
  familyOf,
  snapshotSlices,
  Totals,
} from '../../src/telemetry/totals.ts'

const told = (families: Iterable<Family>): FamilySnapshot[] =>
  // As between processes.
  JSON.parse(JSON.stringify([...snapshotSlices(families, Number.POSITIVE_INFINITY)].flat()))

const counter = (...samples: Sample[]) => family('counter', 'n_total', 'N.', () => samples)
const gauge = (value: number, across?: Family['across']) =>
  family('gauge', 'g', 'G.', () => [{ value }], across)

/** `name{labels}` to value. */
function values(families: Iterable<FamilySnapshot>): Record<string, number> {
  return Object.fromEntries(
    Array.from(families)
      .flatMap(({ samples }) => samples)
      .map(({ name, labels, value }) => [`${name}${JSON.stringify(labels)}`, value]),
  )
}

describe('totals', () => {
  it('add counters by their labels, in whatever order these are', () => {
    const one = told([
      counter({ value: 1, labels: { a: 'x', b: 'y' } }, { value: 5, labels: { a: 'only here' } }),
    ])
    const other = told([counter({ value: 2, labels: { b: 'y' }, sharedLabels: { a: 'x' } })])
    expect(values(new Totals().add(one).add(other).snapshot())).toEqual({
      'n_total{"a":"x","b":"y"}': 3,
      'n_total{"a":"only here"}': 5,
    })
  })

  it('add the buckets, sums and counts of histograms', () => {
    const histogram = (count: number) =>
      family('histogram', 'h', 'H.', name => [
        { metricName: `${name}_bucket`, labels: { le: 0.5 }, value: count },
        { metricName: `${name}_bucket`, labels: { le: '+Inf' }, value: count + 1 },
        { metricName: `${name}_sum`, value: count / 2 },
        { metricName: `${name}_count`, value: count + 1 },
      ])
    const totals = new Totals().add(told([histogram(1)])).add(told([histogram(10)]))
    expect(values(totals.snapshot())).toEqual({
      'h_bucket{"le":0.5}': 11,
      'h_bucket{"le":"+Inf"}': 13,
      'h_sum{}': 5.5,
      'h_count{}': 13,
    })
  })

  it('take the worst of quantiles, and add the rest of a summary', () => {
    const summary = (value: number) =>
      family('summary', 's', 'S.', name => [
        { labels: { quantile: 0.5 }, value },
        { metricName: `${name}_sum`, value },
        { metricName: `${name}_count`, value },
      ])
    const totals = new Totals().add(told([summary(3)])).add(told([summary(2)]))
    expect(values(totals.snapshot())).toEqual({
      's{"quantile":0.5}': 3,
      's_sum{}': 5,
      's_count{}': 5,
    })
  })

  it.each([
    ['sum', 5],
    ['max', 3],
    ['min', 2],
  ] as const)('join gauges by their %s when the family says so', (across, value) => {
    const totals = new Totals().add(told([gauge(2, across)])).add(told([gauge(3, across)]))
    expect(values(totals.snapshot())).toEqual({ 'g{}': value })
  })

  it('keep of a process that is gone what only grows', () => {
    const summary = family('summary', 's', 'S.', name => [
      { labels: { quantile: 0.5 }, value: 1 },
      { metricName: `${name}_count`, value: 1 },
    ])
    const gone = cumulativePart(told([counter({ value: 1 }), gauge(7), summary]))
    expect(values(gone)).toEqual({ 'n_total{}': 1, 's_count{}': 1 })
  })

  it('are families again, with their type and help', () => {
    const [total] = new Totals().add(told([counter({ value: 1 })])).snapshot()
    const { samples, ...rest } = familyOf(total as FamilySnapshot)
    expect(rest).toEqual({ type: 'counter', name: 'n_total', help: 'N.', across: 'sum' })
    expect([...samples()]).toEqual([{ metricName: 'n_total', labels: {}, value: 1 }])
  })
})

describe('slices', () => {
  it('hold no more samples than asked for, and all of them', () => {
    const samples = Array.from({ length: 7 }, (_, index) => ({ value: index, labels: { index } }))
    const slices = [...snapshotSlices([counter(...samples), gauge(1), gauge(2)], 3)]
    const sizes = slices.map(slice => slice.flatMap(each => each.samples).length)
    expect(sizes).toEqual([3, 3, 3])
    expect(values(new Totals().add(slices.flat()).snapshot())).toEqual(
      values(new Totals().add(told([counter(...samples), gauge(1), gauge(2)])).snapshot()),
    )
  })

  it('are none where nothing was counted', () => {
    expect([...snapshotSlices([counter()], 3)]).toEqual([])
  })
})
