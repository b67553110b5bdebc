import { appendFileSync } from 'node:fs'
import type { LifecycleContext } from '../../../../src/function/contract.ts'

/**
 * An executor may run the functions of the contract anywhere, so they tell what happens to them
 * through their responses, and through the file that env.JOURNAL names; where they have no file in
 * common with the suite, through the log.
 */
export function journal({ env, log }: LifecycleContext, line: string): void {
  if (env['JOURNAL'] === undefined) log.info({ journal: line }, 'for the journal')
  else appendFileSync(env['JOURNAL'], `${line}\n`)
}

/** Notes when it is loaded and unloaded. */
export class Journalled {
  onLoad(context: LifecycleContext): void | Promise<void> {
    journal(context, `load ${context.functionId} ${context.version}`)
  }

  onUnload(context: LifecycleContext): void | Promise<void> {
    journal(context, `unload ${context.functionId} ${context.version}`)
  }
}
