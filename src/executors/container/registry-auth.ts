import { readFile } from 'node:fs/promises'
import { FezzError } from '../../errors.ts'
import type { RegistryAuth } from './engine.ts'

const DOCKER_HUB = 'docker.io'
/** How else Docker's own registry is named, in references and in a config.json. */
const HUB_HOSTS: readonly string[] = ['index.docker.io', 'registry-1.docker.io']

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
  return isHost ? first : DOCKER_HUB
}

/**
 * What a file such as Docker's config.json (`{"auths": {"HOST": {"auth": "..."}}}`) has for the
 * registry of `image`; undefined when it has nothing. Of several entries for one registry, which
 * podman's auth.json may have (`HOST/TEAM`, containers-auth.json(5)), the most specific one counts.
 * Credentials kept by a helper program are not asked for. The file is read each time: credentials
 * are renewed while a host runs.
 *
 * @throws FezzError `INVALID_CONFIG` when there is no such file, it is no JSON, or an `auth` in it is
 *   not `user:password` in base64; never with what is in it
 */
export async function registryAuth(file: string, image: string): Promise<RegistryAuth | undefined> {
  const registry = registryOf(image)
  const reference = `${withoutAlias(registry)}/${repositoryOf(image)}/`
  let found: { readonly scope: string; readonly entry: ConfigEntry } | undefined
  for (const [name, entry] of Object.entries(await readAuths(file))) {
    const scope = scopeOf(name)
    if (reference.startsWith(`${scope}/`) && scope.length > (found?.scope.length ?? 0)) {
      found = { scope, entry: (entry ?? {}) as ConfigEntry }
    }
  }
  if (found === undefined) return undefined
  const { auth, username, password, identitytoken } = found.entry
  if (typeof identitytoken === 'string' && identitytoken !== '') {
    return { identitytoken, serveraddress: registry } as unknown as RegistryAuth
  }
  if (typeof username === 'string' && typeof password === 'string') {
    return { username, password, serveraddress: registry }
  }
  if (typeof auth !== 'string' || auth === '') return undefined
  const pair = /^([^:]*):(.*)$/s.exec(Buffer.from(auth, 'base64').toString())
  if (pair === null) {
    const message = `registryConfig: the auth of ${found.scope} in ${file} is not user:password in base64`
    throw new FezzError('INVALID_CONFIG', message)
  }
  const [, user = '', secret = ''] = pair
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

/** Host and perhaps path for which an entry stands. Older files have the URL of an API for the host. */
function scopeOf(name: string): string {
  const [host = '', ...path] = name.replace(/^https?:\/\//, '').split('/')
  const isApi = name.includes('://') || path[0] === 'v1' || path[0] === 'v2'
  return [withoutAlias(host), ...(isApi ? [] : path)].filter(part => part !== '').join('/')
}

function repositoryOf(image: string): string {
  const named = image.startsWith(`${registryOf(image)}/`)
  const path = named ? image.slice(registryOf(image).length + 1) : image
  return path.replace(/@.*$/, '').replace(/:[^/]*$/, '')
}

function withoutAlias(host: string): string {
  return HUB_HOSTS.includes(host) ? DOCKER_HUB : host
}
