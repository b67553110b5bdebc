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
 * What the measurements ask for: /hello; `/cold-0`, `/cold-1`, ... for the first time; `/sleeper`, which
 * sleeps after a second without use where it is a container; and containers of `image` that do so
 * too, `/pause` and `/stop`.
 */
export function writeFunctions(count, image) {
  const functions = join(folder, 'functions')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(functions, { recursive: true })
  const write = (id, declared) =>
    writeFileSync(join(functions, `${id}.mjs`), functionOf(id, declared))
  write('hello')
  for (let index = 0; index < count; index++) write(`cold-${index}`)
  write('sleeper', { idleTtl: SLEEP_AFTER })
  for (const sleep of image === undefined ? [] : ['pause', 'stop']) {
    const declared = { id: sleep, path: `/${sleep}`, image, sleep, idleTtl: SLEEP_AFTER }
    mkdirSync(join(functions, sleep))
    writeFileSync(join(functions, sleep, 'fezz.json'), JSON.stringify(declared))
  }
  return { functions, cache: join(folder, 'cache'), run: join(folder, 'run') }
}
