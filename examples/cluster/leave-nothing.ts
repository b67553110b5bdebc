import { access, constants } from 'node:fs/promises'

const SETPRIV = '/usr/bin/setpriv'

/** The command, tied to the life of this process where the system can do that (Linux). */
export async function leaveNothing(command: readonly string[]): Promise<readonly string[]> {
  if (process.platform !== 'linux') return command
  const isThere = await access(SETPRIV, constants.X_OK).then(
    () => true,
    () => false,
  )
  return isThere ? [SETPRIV, '--pdeathsig', 'KILL', '--', ...command] : command
}
