import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EngineAddress } from './container/engine-address.ts'

const FILE = 'engine.json'

/** Notes in a run folder where its host has containers, for whoever must remove them when it cannot. */
export function noteEngine(runFolder: string, engine: EngineAddress): void {
  writeFileSync(join(runFolder, FILE), JSON.stringify(engine), { mode: 0o600 })
}

/** What {@link noteEngine} has noted there; `undefined` when it has had no containers. */
export function readEngineNote(runFolder: string): EngineAddress | undefined {
  const path = join(runFolder, FILE)
  if (!existsSync(path)) return undefined
  return JSON.parse(readFileSync(path, 'utf8')) as EngineAddress
}
