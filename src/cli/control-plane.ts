import { FezzError } from '../errors.ts'
import { resolveConfig } from '../runtime/config.ts'
import { HostServer } from '../runtime/host-server.ts'

/** Where an Envoy looks for its control plane when nobody says where, as in envoy/dynamic.yaml. */
const DEFAULT_XDS_PORT = 18_000

/**
 * `fezz control-plane`: tells Envoy of the hosts and functions of the store, until a signal ends it.
 * Its own port answers `/_health` and `/_metrics`.
 *
 * @throws FezzError `INVALID_CONFIG`
 */
export async function controlPlane(flags: Readonly<Record<string, unknown>>): Promise<void> {
  const sources = { env: process.env, flags }
  const { store, xdsPort = DEFAULT_XDS_PORT } = resolveConfig({}, sources)
  if (store === undefined) {
    throw new FezzError(
      'INVALID_CONFIG',
      'there is no store to tell Envoy of; write --store etcd://127.0.0.1:2379, or set FEZZ_STORE',
    )
  }
  await using server = new HostServer({ xdsPort }, sources, { servesFunctions: false })
  await server.run()
}
