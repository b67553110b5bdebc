import { podmanProgram } from './podman.ts'
import { sharedService } from './shared.ts'

/** The socket of a podman, or Docker, that runs already and may be used instead. */
const NAMED = 'PODMAN_SOCK'

/** Where a service of podman is spoken to. */
export interface PodmanAddress {
  /** Its unix socket, which speaks the Docker API 1.41 and podman's own. */
  readonly socketPath: string
  /** The same for `DOCKER_HOST`: `unix:///...`. */
  readonly endpoint: string
}

/**
 * Whether {@link podmanService} can be had: for `describe.skipIf`.
 *
 * @throws when it cannot and `FEZZ_REQUIRE_SERVICES=1`
 */
export async function hasPodman(): Promise<boolean> {
  return process.env[NAMED] !== undefined || (await podmanProgram()) !== undefined
}

/**
 * The podman that all test files of a run share, or the one of `PODMAN_SOCK`; see `testImage` for
 * what it can run. Label your containers, so that others' are told apart, and remove them.
 *
 * @throws when it cannot be started
 */
export async function podmanService(): Promise<PodmanAddress> {
  const named = process.env[NAMED]
  const endpoint = named === undefined ? await sharedService('podman') : `unix://${named}`
  return { socketPath: endpoint.slice('unix://'.length), endpoint }
}
