import type { Deployment } from '../../function/contract.ts'
import { INSTANCE_VARIABLE, type InstanceFolder } from '../instance-folder.ts'

/** Where programs are looked for when the host itself has no PATH. */
export const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin'

/** Variables of a process, by name. */
export type Environment = Readonly<Record<string, string>>

/** What every process gets; of the host's own variables PATH and LANG alone. */
export function baseEnvironment(folder: InstanceFolder): Environment {
  return {
    PATH: process.env['PATH'] ?? DEFAULT_PATH,
    LANG: process.env['LANG'] ?? 'C.UTF-8',
    HOME: folder.home,
    TMPDIR: folder.temporary,
    [INSTANCE_VARIABLE]: folder.marker,
  }
}

/** What the process of a function gets: the later ones win, so the function cannot unname itself. */
export function functionEnvironment(
  { manifest, code, env }: Deployment,
  folder: InstanceFolder,
  more: Environment = {},
): Environment {
  return {
    ...baseEnvironment(folder),
    ...(code.kind === 'program' && code.env),
    ...env,
    ...more,
    [INSTANCE_VARIABLE]: folder.marker,
    FEZZ_FUNCTION_ID: manifest.id,
    FEZZ_FUNCTION_VERSION: manifest.version,
  }
}
