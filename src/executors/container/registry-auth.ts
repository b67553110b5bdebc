import { readFile } from 'node:fs/promises'
import { FezzError } from '../../errors.ts'
import type { RegistryAuth } from './engine.ts'

/** How Docker's own registry is named in a config.json. */
const DOCKER_HUB = 'https://index.docker.io/v1/'

interface ConfigEntry {
  readonly auth?: unknown
  readonly username?: unknown
  readonly password?: unknown
  readonly identitytoken?: unknown
}

/** The registry that an image's reference names; `docker.io` when it names none. */
export function registryOf(image: string): string {
  const first = image.slice(0, Math.max(0, image.indexOf('/')))
  const isHost = first === 'localhost' || /[.:]/.test(first)
  return isHost ? first : 'docker.io'
}

/**
 * What a file such as Docker's config.json (`{"auths": {"HOST": {"auth": "..."}}}`) has for the
 * registry of `image`; undefined when it has nothing. Credentials kept by a helper program are not
 * asked for. The file is read each time: credentials are renewed while a host runs.
 *
 * @throws FezzError `INVALID_CONFIG` when there is no such file, or it is no JSON; never with what
 *   is in it
 */
export async function registryAuth(file: string, image: string): Promise<RegistryAuth | undefined> {
  const registry = registryOf(image)
  const entry = Object.entries(await readAuths(file)).find(
    ([name]) => hostOf(name) === registry || (registry === 'docker.io' && name === DOCKER_HUB),
  )
  if (entry === undefined) return undefined
  const { auth, username, password, identitytoken } = (entry[1] ?? {}) as ConfigEntry
  if (typeof identitytoken === 'string' && identitytoken !== '') {
    return { identitytoken, serveraddress: registry } as unknown as RegistryAuth
  }
  if (typeof username === 'string' && typeof password === 'string') {
    return { username, password, serveraddress: registry }
  }
  if (typeof auth !== 'string') return undefined
  const [, user = '', secret = ''] = /^([^:]*):(.*)$/s.exec(atob(auth)) ?? []
  return { username: user, password: secret, serveraddress: registry }
}

async function readAuths(file: string): Promise<Readonly<Record<string, unknown>>> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new FezzError('INVALID_CONFIG', `registryConfig: cannot read ${file} (${code})`, {
      cause,
    })
  }
  try {
    return (JSON.parse(text) as { auths?: Record<string, unknown> }).auths ?? {}
  } catch {
    // Without the parser's message, which quotes the file.
    throw new FezzError('INVALID_CONFIG', `registryConfig: ${file} is not JSON`)
  }
}

/** Older files have whole URLs. */
function hostOf(name: string): string {
  return name.replace(/^https?:\/\//, '').split('/')[0] ?? ''
}
