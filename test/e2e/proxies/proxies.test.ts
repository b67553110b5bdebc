import { describe, expect, it } from 'vitest'
import { LISTENERS } from '../../helpers/listeners.ts'
import { type Ledger, ledgerOf, serveMirror, sumOf } from './mirror-host.ts'
import { PROXIES } from './proxies.ts'
import { CLIENTS, sendTraffic, type TrafficReport } from './traffic.ts'

/** Set it to what a run has printed, to have its requests again. */
const SEED = Number(process.env['PROXIES_SEED'] ?? Math.floor(Math.random() * 1e9))
/** With the first listener; a fifth of that with the others. */
const REQUESTS = Number(process.env['PROXIES_REQUESTS'] ?? 10_000)

for (const proxy of PROXIES) {
  describe.skipIf((await proxy.program()) === undefined)(`behind ${proxy.name}`, () => {
    it.each(LISTENERS)(
      'each of many mixed requests gets its own answer, over few connections (%s)',
      async listener => {
        const requests = listener === LISTENERS[0] ? REQUESTS : REQUESTS / 5
        await using host = await serveMirror(listener)
        const { service, port } = await proxy.start(host.port)
        await using _ = service
        const startedAt = performance.now()
        const report = await sendTraffic({ port, requests, seed: SEED })
        const tookMs = performance.now() - startedAt
        const ledger = await ledgerOf(host)
        const told = summary(report, ledger, tookMs)
        console.info(`${proxy.name}, ${listener}: ${told}`)

        expect(report.failures, told).toEqual([])
        expect(report.answered.size).toBeGreaterThanOrEqual(requests)
        expect(strays(report, ledger), told).toEqual([])
        expect(ledger.connections, told).toBeLessThan(mostConnections(report))
        expect(await sumOf(host, /^fezz_requests_total\{status_class="5xx"/)).toBe(0)
        expect(host.lines.filter(({ level }) => level === 'error').slice(0, 5)).toEqual([])
        // Those that were left do not go on.
        await service.stop()
        const inFlight = () => sumOf(host, /^fezz_requests_in_flight\{/)
        await expect.poll(inFlight, { timeout: 10_000 }).toBe(0)
      },
      // A few seconds each, and many times that on a machine that has other work.
      180_000,
    )
  })
}

/** Requests that have reached the function more than once, not at all, or out of the blue. */
function strays({ answered, left }: TrafficReport, { nonces }: Ledger): readonly string[] {
  const seen = new Set<string>()
  const wrong: string[] = []
  for (const nonce of nonces) {
    if (seen.has(nonce) || !(answered.has(nonce) || left.has(nonce))) wrong.push(nonce)
    seen.add(nonce)
  }
  return [...wrong, ...[...answered].filter(nonce => !seen.has(nonce))]
}

/**
 * A proxy needs one for each of its clients, and another where one could not be kept: because a
 * client left, or an answer came before the body had.
 */
function mostConnections({ left, unread }: TrafficReport): number {
  return 2 * CLIENTS + left.size + unread.size
}

function summary(report: TrafficReport, ledger: Ledger, tookMs: number): string {
  const times = report.tookMs.toSorted((a, b) => a - b)
  const quantile = (share: number) => `${times[Math.floor(times.length * share)]?.toFixed(1)} ms`
  return [
    `${report.answered.size} answers in ${(tookMs / 1_000).toFixed(1)} s`,
    `p50 ${quantile(0.5)}, p99 ${quantile(0.99)}`,
    `${report.failures.length} failed`,
    `${report.left.size} left, ${report.unread.size} with unread bodies`,
    `${report.connections} connections to it, ${ledger.connections} to the host`,
    `PROXIES_SEED=${SEED}`,
  ].join('; ')
}
