import type { Deployment } from '../../function/contract.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { ownRun } from '../run-owner.ts'
import type { Engine, ListedContainer } from './engine.ts'
import { isRunAlive } from './host-run.ts'
import { Turns } from './turns.ts'

/** Removals at once: with more of them each would take longer than a call may. */
const REMOVALS = 8
const OWNER = 'fezz.owner'
const RUN = 'fezz.run'

/** The labels of a container, by which people and hosts know whose it is. */
export function labelsOf(deployment: Deployment, owner: string): Record<string, string> {
  const { id, version } = deployment.manifest
  return { [OWNER]: owner, [RUN]: ownRun(), 'fezz.function': id, 'fezz.version': version }
}

/**
 * Removes the containers of `owner` whose host has died, also paused ones; those of another process
 * of the same owner that lives are left alone. What cannot be removed is logged.
 *
 * @throws FezzError when the engine does not answer
 */
export async function removeOrphans(engine: Engine, owner: string, log: Logger): Promise<void> {
  const found = await engine.list(OWNER, owner)
  const orphans = found.filter(({ labels }) => !isRunAlive(labels[RUN] ?? ''))
  await removeAll(engine, orphans, log)
}

/**
 * Removes the containers of one host, which has died.
 *
 * @param run see `ownRun`
 * @returns whether none of them is left; what cannot be removed is logged
 * @throws FezzError when the engine does not answer
 */
export async function removeContainersOf(
  run: string,
  engine: Engine,
  log: Logger,
): Promise<boolean> {
  return removeAll(engine, await engine.list(RUN, run), log)
}

async function removeAll(
  engine: Engine,
  orphans: readonly ListedContainer[],
  log: Logger,
): Promise<boolean> {
  const turns = new Turns(REMOVALS)
  const removals = orphans.map(async ({ id, labels }) => {
    const fields = { container: id.slice(0, 12), functionId: labels['fezz.function'] }
    try {
      await turns.run(() => engine.remove(id))
      log.info(fields, 'removed a container that a host left behind')
      return true
    } catch (err) {
      log.warn({ ...fields, err }, 'a container that a host left behind cannot be removed')
      return false
    }
  })
  return (await Promise.all(removals)).every(isGone => isGone)
}
