import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectFolder } from '../fixtures.mjs'

const SLEEP_AFTER = '1s'
const folder = join(projectFolder, '.fezz', 'bench', 'executors')

const functionOf = (
  id,
  declared = {},
) => `export const manifest = ${JSON.stringify({ id, path: `/${id}`, ...declared })}

export default {
  fetch() {
    return new Response('Hello, World!')
  },
}
`

/**
 * What the measurements ask for: /hello; `/cold-0`, `/cold-1`, ... for the first time; and, where they
 * are containers, `/pause` and `/stop`, which do so after a second without use.
 */
export function writeFunctions(count) {
  const functions = join(folder, 'functions')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(functions, { recursive: true })
  const write = (id, declared) =>
    writeFileSync(join(functions, `${id}.mjs`), functionOf(id, declared))
  write('hello')
  for (let index = 0; index < count; index++) write(`cold-${index}`)
  for (const sleep of ['pause', 'stop']) write(sleep, { sleep, idleTtl: SLEEP_AFTER })
  return { functions, cache: join(folder, 'cache'), run: join(folder, 'run') }
}
