/**
 * Measures all peers in turn, `rounds` times over. Each round measures the baseline, the first of
 * them, first and last; a ratio to the mean of those two is then one in which a machine that gets
 * slower or faster in the meantime changes both sides alike.
 * @param options `rounds`; `report(line)` for progress; `prepare(peer)` is a first, untimed use of
 *   each, and resolves to fields of its record; `measure(peer)` resolves to a sample, an object
 * @returns one record per peer, in the order given: `id`, `label` and `samples`, which have those of
 *   the baseline in the same round as `yardsticks`; `unavailable` is why one cannot be measured
 * @throws when that is the baseline
 */
export async function inRounds(peers, { rounds, report, prepare, measure }) {
  const [baseline] = peers
  const records = new Map(peers.map(({ id, label }) => [id, { id, label, samples: [] }]))
  const drop = (peer, reason) => {
    records.get(peer.id).unavailable = reason
    report(`${peer.label}: not available: ${reason}`)
  }

  for (const peer of peers) {
    if (peer.missing) {
      drop(peer, peer.missing)
      continue
    }
    try {
      peer.prepare?.()
      Object.assign(records.get(peer.id), await prepare(peer))
    } catch (error) {
      drop(peer, error.message)
    }
  }
  const { unavailable } = records.get(baseline.id)
  if (unavailable) throw new Error(`${baseline.label}, the yardstick: ${unavailable}`)

  for (let round = 1; round <= rounds; round++) {
    const taken = []
    for (const peer of [...peers, baseline]) {
      if (records.get(peer.id).unavailable) continue
      report(`round ${round} of ${rounds}: ${peer.label}`)
      try {
        taken.push({ peer, sample: await measure(peer) })
      } catch (error) {
        if (peer === baseline) throw error
        drop(peer, error.message)
      }
    }
    const yardsticks = taken.filter(({ peer }) => peer === baseline).map(({ sample }) => sample)
    for (const { peer, sample } of taken) records.get(peer.id).samples.push({ sample, yardsticks })
  }
  return [...records.values()]
}

/** `field` of a sample, divided by the mean of it over the yardsticks. */
export function ratioOf(field, { sample, yardsticks }) {
  const mean = yardsticks.reduce((sum, yardstick) => sum + yardstick[field], 0) / yardsticks.length
  return sample[field] / mean
}
