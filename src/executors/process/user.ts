import { readFileSync } from 'node:fs'
import { invalidFunction } from '../../function/manifest.ts'

/** Whom a process belongs to. */
export interface ProcessUser {
  readonly uid: number
  readonly gid: number
}

const NUMBER = /^\d+$/

/**
 * What the manifest's `user` means: `user` or `user:group`, each a name or a number.
 *
 * @throws FezzError `INVALID_MANIFEST` when this host may not start programs as somebody else, or
 *   does not know the user
 */
export function resolveUser(functionId: string, user: string): ProcessUser {
  const refuse = (why: string) => invalidFunction(functionId, `user "${user}": ${why}`)
  if (process.getuid?.() !== 0) {
    throw refuse('only a host that runs as root can start a program as another user; leave it out')
  }
  const [name = '', group] = user.split(':')
  const account = accountOf(name)
  if (account === undefined) throw refuse('there is no such user on this machine')
  const gid = group === undefined ? account.gid : groupOf(group)
  if (gid === undefined) {
    throw refuse(
      group === undefined
        ? 'this machine does not know its group; write user:group'
        : 'there is no such group on this machine',
    )
  }
  return { uid: account.uid, gid }
}

function accountOf(name: string): { uid: number; gid: number | undefined } | undefined {
  // name:password:uid:gid:..., passwd(5)
  const found = records('/etc/passwd').find(fields => fields[NUMBER.test(name) ? 2 : 0] === name)
  if (found !== undefined) return { uid: Number(found[2]), gid: Number(found[3]) }
  return NUMBER.test(name) ? { uid: Number(name), gid: undefined } : undefined
}

function groupOf(name: string): number | undefined {
  if (NUMBER.test(name)) return Number(name)
  // name:password:gid:..., group(5)
  const found = records('/etc/group').find(fields => fields[0] === name)
  return found === undefined ? undefined : Number(found[2])
}

function records(file: string): string[][] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .map(line => line.split(':'))
  } catch {
    return []
  }
}
