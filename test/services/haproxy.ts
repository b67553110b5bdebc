import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BackgroundService, type Command } from './background-service.ts'
import { binary } from './binary.ts'
import { debianTree } from './packages.ts'
import { accepts } from './ports.ts'

/** HAProxy, from the Debian package. */
export function haproxyProgram(): Promise<string | undefined> {
  return binary('haproxy', {
    // Not a name of ours: the host refuses to start with a FEZZ_* variable that it does not know.
    env: 'HAPROXY_BIN',
    usable: { args: ['-v'], prints: /^HAProxy version (?:2\.[6-9]|[3-9]\.)/ },
    // Not in the PATH of users who are not root.
    files: ['/usr/sbin/haproxy'],
    packages: [debianTree('haproxy', ['haproxy'], { haproxy: 'usr/sbin/haproxy' }, 'haproxy')],
  })
}

export interface HaproxyOptions {
  /** Its configuration; to listen on `port` of 127.0.0.1 at least. */
  readonly config: (port: number) => string
}

/** A running HAProxy. What it warns of is in {@link output}; logs are up to its configuration. */
export class Haproxy extends BackgroundService {
  readonly name = 'haproxy'
  protected readonly portCount = 1
  readonly #program: string
  readonly #options: HaproxyOptions

  /** @param program see {@link haproxyProgram} */
  constructor(program: string, options: HaproxyOptions) {
    super()
    this.#program = program
    this.#options = options
  }

  /** Where it is to listen: `http://127.0.0.1:PORT`. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`
  }

  protected async command(): Promise<Command> {
    const file = join(this.folder, 'haproxy.cfg')
    await writeFile(file, this.#options.config(this.port))
    return { program: this.#program, args: ['-db', '-f', file] }
  }

  protected isReady(): Promise<boolean> {
    return accepts(this.port)
  }
}

/** Starts a HAProxy. @throws when there is none, or it does not start */
export async function startHaproxy(options: HaproxyOptions): Promise<Haproxy> {
  const program = await haproxyProgram()
  if (program === undefined) throw new Error('there is no haproxy')
  return new Haproxy(program, options).start()
}
