import type { Code } from '../function/contract.ts'
import type { Manifest } from '../function/manifest.ts'

/** One version of a function, as a host takes it. */
export interface Deployable {
  readonly manifest: Manifest
  readonly code: Code
}

/** Where functions are put in force: a host. */
export interface DeploymentTarget {
  /**
   * Puts functions in force and takes others out, as one change. Several may be on their way; of one
   * function the later one wins.
   *
   * @returns those that did not take over; a version before them goes on serving
   */
  deploy(change: {
    readonly set?: readonly Deployable[]
    readonly remove?: readonly string[]
  }): Promise<readonly { readonly id: string; readonly error: unknown }[]>
}
