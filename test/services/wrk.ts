import { binary } from './binary.ts'
import { debian } from './packages.ts'

/** The load generator. */
export function wrk(): Promise<string | undefined> {
  return binary('wrk', {
    // Not a name of ours: the host refuses to start with a FEZZ_* variable that it does not know.
    env: 'WRK_BIN',
    packages: [debian('wrk', 'usr/bin/wrk', ['libluajit-5.1-2'])],
  })
}
