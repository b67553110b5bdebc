import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BackgroundService, type Command } from './background-service.ts'
import { binary } from './binary.ts'
import { debianTree } from './packages.ts'
import { accepts } from './ports.ts'

/** nginx, from the Debian package. */
export function nginxProgram(): Promise<string | undefined> {
  return binary('nginx', {
    // Not a name of ours: the host refuses to start with a FEZZ_* variable that it does not know.
    env: 'NGINX_BIN',
    // Not in the PATH of users who are not root.
    files: ['/usr/sbin/nginx'],
    packages: [debianTree('nginx', ['nginx'], { nginx: 'usr/sbin/nginx' }, 'nginx')],
  })
}

export interface NginxOptions {
  /** What its `http` block holds; to listen on `port` of 127.0.0.1 at least. */
  readonly http: (port: number) => string
}

/** A running nginx. Its error log is in {@link output}; other logs are up to its configuration. */
export class Nginx extends BackgroundService {
  readonly name = 'nginx'
  protected readonly portCount = 1
  readonly #program: string
  readonly #options: NginxOptions

  /** @param program see {@link nginxProgram} */
  constructor(program: string, options: NginxOptions) {
    super()
    this.#program = program
    this.#options = options
  }

  /** Where it is to listen: `http://127.0.0.1:PORT`. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`
  }

  protected async command(): Promise<Command> {
    const file = join(this.folder, 'nginx.conf')
    await writeFile(file, configuration(this.#options.http(this.port)))
    return { program: this.#program, args: ['-p', this.folder, '-e', 'stderr', '-c', file] }
  }

  protected isReady(): Promise<boolean> {
    return accepts(this.port)
  }
}

/** Starts an nginx. @throws when there is none, or it does not start */
export async function startNginx(options: NginxOptions): Promise<Nginx> {
  const program = await nginxProgram()
  if (program === undefined) throw new Error('there is no nginx')
  return new Nginx(program, options).start()
}

/** Bodies that do not fit into memory. By default under /var/lib, which is root's. */
const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

function configuration(http: string): string {
  return `# One process: workers would outlive a master that is killed.
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events {}
http {
${TEMPORARY.map(name => `  ${name}_temp_path ${name};`).join('\n')}
  access_log off;
${http}
}
`
}
