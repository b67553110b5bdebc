import type { Clock } from '../../clock.ts'
import type { Cgroups } from '../cgroups.ts'
import type { RunFolder } from '../run-folder.ts'
import type { ProcessWatch } from './process-watch.ts'
import type { Tools } from './tools.ts'

/** What all processes of one host share. */
export interface ContainedWorld {
  readonly runFolder: RunFolder
  readonly cgroups: Cgroups
  readonly watch: ProcessWatch
  readonly tools: Tools
  /** File descriptors that the host was started with, and that are not for what it starts. */
  readonly inherited: readonly number[]
  /** Capabilities that the host was given to pass on, and that are not for what it starts either. */
  readonly ambient: readonly number[]
  readonly clock: Clock
}
