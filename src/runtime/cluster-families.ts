import type { RemoteArtifactsStatus } from '../loader/remote-artifacts.ts'
import { byLabel, family } from '../telemetry/families.ts'
import type { Family } from '../telemetry/prometheus.ts'
import type { ClusterMemberStatus } from './cluster-member.ts'
import type { XdsServiceStatus } from './xds-service.ts'

/** What a node and its functions are doing, for `/_metrics`. */
export function memberFamilies(status: ClusterMemberStatus): Family[] {
  const gauge = (name: string, help: string, value: number | undefined) =>
    family('gauge', name, help, () => (value === undefined ? [] : [{ value }]))
  const { snapshotSavedAtMs, listings } = status
  return [
    gauge('fezz_store_connected', 'Whether the store answers: 1 or 0.', Number(status.connected)),
    gauge(
      'fezz_store_revision_applied',
      'Everything in the store up to this revision is in force, but for problems.',
      Number(status.revision),
    ),
    gauge(
      'fezz_store_lag_seconds',
      'Age of the oldest change of the store that is not in force; 0 when all are.',
      status.lagMs / 1000,
    ),
    gauge(
      'fezz_store_problem_entries',
      'Entries of functions that are not in force as they stand.',
      status.problemCount,
    ),
    gauge(
      'fezz_store_suspect',
      'Whether the store has lost functions that are served on: 1 or 0.',
      Number(status.suspect),
    ),
    family('counter', 'fezz_store_listings_total', 'Listings of the store, by reason.', () =>
      byLabel('reason', Object.entries(listings)),
    ),
    family(
      'counter',
      'fezz_store_repaired_entries_total',
      'Entries that a watch had missed and a listing has mended.',
      () => [{ value: status.repaired }],
    ),
    gauge(
      'fezz_snapshot_age_seconds',
      'Age of the state on the disk; absent when there is none.',
      snapshotSavedAtMs === undefined ? undefined : (Date.now() - snapshotSavedAtMs) / 1000,
    ),
    gauge(
      'fezz_node_registered',
      'Whether the store knows of this node: 1 or 0.',
      Number(status.membership.registered),
    ),
  ]
}

/** What has become of the code of functions, for `/_metrics`. */
export function artifactFamilies(status: RemoteArtifactsStatus): Family[] {
  const { fetched, failed, damaged, removed, fetching, queued, sizeBytes } = status
  return [
    family('counter', 'fezz_artifact_events_total', 'What has become of artifacts.', () =>
      byLabel('event', Object.entries({ fetched, failed, damaged, removed })),
    ),
    family(
      'gauge',
      'fezz_artifacts_awaited',
      'Artifacts that are being or going to be fetched.',
      () => byLabel('state', Object.entries({ fetching, queued })),
    ),
    family('gauge', 'fezz_artifact_cache_bytes', 'Disk space that fetched artifacts take.', () => [
      { value: sizeBytes },
    ]),
  ]
}

/** What Envoys are told, and what they make of it, for `/_metrics`. */
export function xdsFamilies(status: XdsServiceStatus): Family[] {
  return [
    family(
      'gauge',
      'fezz_xds_store_connected',
      'Whether the store that Envoys are told of answers: 1 or 0.',
      () => [{ value: Number(status.connected) }],
    ),
    family('gauge', 'fezz_xds_clients', 'Envoys that are connected.', () => [
      { value: status.clients.length },
    ]),
    family('counter', 'fezz_xds_acks_total', 'Configurations that Envoys have accepted.', () =>
      byLabel('type', Object.entries(status.acks)),
    ),
    family('counter', 'fezz_xds_nacks_total', 'Configurations that Envoys have refused.', () =>
      byLabel('type', Object.entries(status.nacks)),
    ),
  ]
}
