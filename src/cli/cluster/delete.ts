import { FunctionStore } from '../../control-plane/function-store.ts'
import { FezzError } from '../../errors.ts'
import { withStore } from './session.ts'

/**
 * `fezz delete`: takes functions out of the store; every host unloads them after their last request.
 *
 * @throws FezzError `NOT_FOUND` naming those that were not there; the others are gone all the same
 */
export function deleteFunctions(
  ids: readonly string[],
  flags: Readonly<Record<string, unknown>>,
): Promise<void> {
  return withStore(flags, async ({ store, log, print }) => {
    const functions = new FunctionStore(store, { log })
    const missing: string[] = []
    for (const id of ids) {
      if (await functions.unregister(id)) print(`- ${id}`)
      else missing.push(id)
    }
    if (missing.length > 0) {
      throw new FezzError(
        'NOT_FOUND',
        `there is no function ${missing.join(', ')}; fezz get functions lists them`,
      )
    }
  })
}
