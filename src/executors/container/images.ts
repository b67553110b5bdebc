import { createInterface } from 'node:readline'
import { FezzError } from '../../errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Engine, RegistryAuth } from './engine.ts'
import { engineError, engineMessage, statusOf } from './engine-error.ts'
import { registryAuth, registryOf } from './registry-auth.ts'
import { Turns } from './turns.ts'

/** Pulls at once from one registry: each may use all of the network and much of the disk. */
const PULLS = 2

const REFUSED = /unauthorized|denied|authentication required|no basic auth|incorrect username/i
const UNKNOWN = /manifest unknown|name unknown|not found|no such image|does not exist/i

export interface ImagesOptions {
  readonly engine: Engine
  /** Gives up what is being pulled. */
  readonly signal: AbortSignal
  /** A file such as Docker's config.json. */
  readonly registryConfig?: string
  readonly log: Logger
}

/** The images that the engine has, and how it comes by others. */
export class Images {
  readonly #options: ImagesOptions
  /** For each registry: one that does not answer holds up nobody else's. */
  readonly #turns = new Map<string, Turns>()
  readonly #underWay = new Map<string, Promise<void>>()

  constructor(options: ImagesOptions) {
    this.#options = options
  }

  /**
   * Has the engine pull `image` unless it has it. One pull for all who ask meanwhile.
   *
   * @throws FezzError `ARTIFACT_UNAVAILABLE` when there is no such image, its registry wants other
   *   credentials, or does not answer; `INVALID_CONFIG` for the file of credentials
   */
  ensure(image: string): Promise<void> {
    let pulling = this.#underWay.get(image)
    if (pulling === undefined) {
      pulling = this.#ensure(image)
      this.#underWay.set(image, pulling)
      const over = () => this.#underWay.delete(image)
      pulling.then(over, over)
    }
    return pulling
  }

  async #ensure(image: string): Promise<void> {
    if (await this.#options.engine.hasImage(image)) return
    await this.#turnsOf(registryOf(image)).run(() => this.#pull(image))
  }

  #turnsOf(registry: string): Turns {
    let turns = this.#turns.get(registry)
    if (turns === undefined) {
      turns = new Turns(PULLS)
      this.#turns.set(registry, turns)
    }
    return turns
  }

  async #pull(image: string): Promise<void> {
    const { engine, registryConfig, signal, log } = this.#options
    const auth = registryConfig && (await registryAuth(registryConfig, image))
    log.info({ image }, 'pulling an image')
    try {
      const error = await errorIn(await engine.pull(tagged(image), auth || undefined, signal))
      if (error !== undefined) throw new Error(error)
    } catch (error) {
      signal.throwIfAborted()
      throw pullError(error, image, auth || undefined, engine.where, registryConfig)
    }
  }
}

/** Without a tag or digest, Docker would pull every one that there is. */
function tagged(image: string): string {
  return /@|:[^/]*$/.test(image) ? image : `${image}:latest`
}

/** What goes wrong after the start of a pull is told within its answer. */
async function errorIn(progress: NodeJS.ReadableStream): Promise<string | undefined> {
  let failure: string | undefined
  for await (const line of createInterface({ input: progress })) {
    if (line.trim() === '') continue
    const { error } = JSON.parse(line) as { readonly error?: unknown }
    if (error !== undefined) failure = String(error)
  }
  return failure
}

function pullError(
  error: unknown,
  image: string,
  auth: RegistryAuth | undefined,
  where: string,
  registryConfig: string | undefined,
): FezzError {
  const said = withoutSecrets(engineMessage(error), auth)
  const isEngines = statusOf(error) !== undefined || !(error as NodeJS.ErrnoException).code
  if (!isEngines) return engineError(error, 'pull the image', where)
  const cause = new Error(said)
  const fail = (why: string) =>
    new FezzError('ARTIFACT_UNAVAILABLE', `the image ${image} ${why}`, { cause })
  const registry = registryOf(image)
  if (REFUSED.test(said)) {
    const needed =
      registryConfig === undefined
        ? 'set registryConfig'
        : `${registryConfig} has none for it in "auths", and credential helpers are not asked`
    const what = auth === undefined ? `wants credentials: ${needed}` : 'refuses those it was given'
    return fail(`cannot be pulled: ${registry} ${what}`)
  }
  if (UNKNOWN.test(said)) return fail(`is not on this machine, and ${registry} does not have it`)
  return fail(`cannot be pulled from ${registry}: ${said}`)
}

function withoutSecrets(text: string, auth: RegistryAuth | undefined): string {
  const secrets = Object.entries(auth ?? {}).filter(([name]) => name !== 'serveraddress')
  return secrets.reduce(
    (rest, [, secret]) => (secret ? rest.replaceAll(String(secret), '[redacted]') : rest),
    text,
  )
}
