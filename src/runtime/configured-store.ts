import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openStore } from '../control-plane/open-store.ts'
import type { Store } from '../control-plane/store.ts'
import { FezzError } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { HostConfig } from './config.ts'
import { unreadablePem } from './pem.ts'

/**
 * Opens the store that the settings name.
 *
 * @throws FezzError `INVALID_CONFIG` when they name none, or a file that cannot be read
 */
export async function openConfiguredStore(config: HostConfig, log: Logger): Promise<Store> {
  const { store, storeUser, storePassword, storeToken, storeTimeoutMs } = config
  if (store === undefined) {
    throw new FezzError(
      'INVALID_CONFIG',
      'there is no store; write --store etcd://127.0.0.1:2379, or set FEZZ_STORE',
    )
  }
  const [ca, cert, key] = await Promise.all([
    readPem('storeCa', config.storeCa),
    readPem('storeCert', config.storeCert),
    readPem('storeKey', config.storeKey),
  ])
  return openStore(store, {
    ...(storeUser !== '' && { user: storeUser }),
    ...(storePassword !== undefined && { password: storePassword.reveal() }),
    ...(storeToken !== undefined && { token: storeToken.reveal() }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    timeoutMs: storeTimeoutMs,
    log,
  })
}

/**
 * Address of the artifact store; with a store in a folder it is there too, unless it is set. Hidden,
 * so that the store need not look through it.
 */
export function artifactsOf({ artifacts, store }: HostConfig): string | undefined {
  if (artifacts !== '') return artifacts
  return store?.kind === 'file' ? join(store.folder, '.artifacts') : undefined
}

async function readPem(setting: string, file: string): Promise<Buffer | undefined> {
  if (file === '') return undefined
  try {
    return await readFile(file)
  } catch (cause) {
    throw unreadablePem(setting, file, cause)
  }
}
