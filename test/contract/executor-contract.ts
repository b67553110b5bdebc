import { afterEach, beforeEach, describe } from 'vitest'
import { describeBackground } from './executor/background.ts'
import { describeBodies } from './executor/bodies.ts'
import { describeDeadline } from './executor/deadline.ts'
import { describeDeath } from './executor/death.ts'
import { describeFlow } from './executor/flow.ts'
import { describeLeftovers } from './executor/leftovers.ts'
import { describeLoad } from './executor/load.ts'
import { describeLog } from './executor/log.ts'
import { describeMessages } from './executor/messages.ts'
import type { LackingTraits } from './executor/traits.ts'
import { describeUnload } from './executor/unload.ts'
import { ExecutorWorld, type MakeHarness } from './executor/world.ts'

export type { FixtureName } from './executor/world.ts'

/**
 * What every implementation of the Executor port must do.
 *
 * @param lacking what it cannot do, and why; the cases that need it are skipped with that reason
 */
export function describeExecutor(
  name: string,
  makeHarness: MakeHarness,
  lacking: LackingTraits = {},
): void {
  describe(`${name} as an Executor`, () => {
    const world = new ExecutorWorld(makeHarness, lacking)
    beforeEach(() => world.open())
    afterEach(() => world.close())

    describe('load', () => describeLoad(world))
    describe('fetch', () => describeMessages(world))
    describe('bodies', () => describeBodies(world))
    describe('flow control', () => describeFlow(world))
    describe('abort and waitUntil', () => describeBackground(world))
    describe('log', () => describeLog(world, lacking))
    describe('unload and close', () => describeUnload(world, lacking))
    describe('death', () => describeDeath(world, lacking))
    describe('deadline', () => describeDeadline(world, lacking))
    describe('leftovers', () => describeLeftovers(world, makeHarness))
  })
}
