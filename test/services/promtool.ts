import { binary } from './binary.ts'

/** Prometheus' own checker of metrics. */
export function promtool(): Promise<string | undefined> {
  return binary('promtool', { env: 'FEZZ_PROMTOOL', debianPackage: 'prometheus' })
}
