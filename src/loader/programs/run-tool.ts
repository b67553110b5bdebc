import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { delimiter, dirname } from 'node:path'

/** How long one step of a build may take. */
const DEADLINE_MS = 10 * 60_000
/** Of what a tool prints, the end: that is where it says what is wrong. */
const MAX_OUTPUT_CHARACTERS = 64 * 1024
/** What a tool has printed may come for so long after its end; then its output is not waited for. */
const PIPE_GRACE_MS = 1000

/** Variables of the host that every tool sees: it has to find programs, the net and its home. */
const INHERITED = [
  'HOME',
  'LANG',
  'LC_*',
  'TMPDIR',
  'USER',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'ALL_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'all_proxy',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'REQUESTS_CA_BUNDLE',
  'NODE_EXTRA_CA_CERTS',
]

/** How a tool ended. */
export interface ToolResult {
  readonly isOk: boolean
  /** Why not, where the output cannot know. */
  readonly failure?: string
  readonly stdout: string
  /** Both streams as they came. */
  readonly output: string
}

/**
 * The environment of tools that build: little of the host's own, where the secrets of all functions
 * may be.
 *
 * @param inherit more names, `*` at the end standing for any
 */
export function toolEnvironment(
  inherit: readonly string[],
  set: Readonly<Record<string, string>>,
): Record<string, string> {
  const patterns = [...INHERITED, ...inherit]
  const isWanted = (name: string) =>
    patterns.some(one => (one.endsWith('*') ? name.startsWith(one.slice(0, -1)) : one === name))
  const own = Object.entries(process.env).filter(([name]) => isWanted(name))
  return { ...(Object.fromEntries(own) as Record<string, string>), PATH: toolPath(), ...set }
}

const SECRET_NAME = /token|secret|password|passwd|_auth|credential/i
/** What is shorter is no secret, and may be part of any word. */
const MIN_SECRET_CHARACTERS = 6
const USER_IN_URL = /\b([a-z][a-z\d+.-]*:\/\/)[^\s/?#@]+@/gi

/** What a tool has said, without what it was entrusted with: credentials in addresses, and by name. */
export function withoutSecrets(text: string, env: Readonly<Record<string, string>>): string {
  return Object.entries(env)
    .filter(([name, value]) => SECRET_NAME.test(name) && value.length >= MIN_SECRET_CHARACTERS)
    .reduce((rest, [, secret]) => rest.replaceAll(secret, '[redacted]'), text)
    .replace(USER_IN_URL, '$1[redacted]@')
}

/** Node's own folder comes first: what npm builds must fit the Node that will run it. */
function toolPath(): string {
  return [dirname(process.execPath), process.env['PATH']].join(delimiter)
}

/**
 * Runs a tool in a group of its own, which is ended when the other end of descriptor 3 is closed: by
 * the host once the tool has ended, by the system when the host has died, however it did.
 */
const TIED = '{ read -r _; kill -s KILL 0; } <&3 3<&- >/dev/null 2>&1 & exec "$@" 3<&-'

/**
 * Runs a program to its end, and ends what it has started, unless that is in a group of its own; never
 * rejects.
 */
export async function runTool(
  [program = '', ...args]: readonly string[],
  { cwd, env }: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): Promise<ToolResult> {
  const child = spawn('/bin/sh', ['-c', TIED, 'sh', program, ...args], {
    cwd,
    env: { ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
    timeout: DEADLINE_MS,
    killSignal: 'SIGKILL',
  })
  // Node leaves the pipes out when it has no file descriptors for them.
  const tie = child.stdio?.[3] as Socket | undefined
  // The group may be gone before it is told to go.
  tie?.on('error', () => {})
  let stdout = ''
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout = (stdout + text).slice(-MAX_OUTPUT_CHARACTERS)
    output = (output + text).slice(-MAX_OUTPUT_CHARACTERS)
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-MAX_OUTPUT_CHARACTERS)
  })
  let grace: NodeJS.Timeout | undefined
  child.once('exit', () => {
    tie?.destroy()
    // What has left the group lives on, perhaps with the other ends of these.
    grace = setTimeout(() => {
      for (const stream of [child.stdout, child.stderr]) stream?.destroy()
    }, PIPE_GRACE_MS)
  })
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    if (code === 0) return { isOk: true, stdout, output }
    const how = code === null ? `was ended by ${signal}` : `ended with ${code}`
    return { isOk: false, failure: `${program} ${how}`, stdout, output }
  } catch (error) {
    const failure = `${program} cannot be started: ${(error as NodeJS.ErrnoException).code}`
    return { isOk: false, failure, stdout, output }
  } finally {
    clearTimeout(grace)
  }
}
