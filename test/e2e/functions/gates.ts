import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

/** Waits until the test has put the file `name` into the folder that the variable GATES names. */
export async function pass(env: Readonly<Record<string, string>>, name: string): Promise<void> {
  const gate = join(env['GATES'] as string, name)
  while (!existsSync(gate)) await setTimeout(5)
}
