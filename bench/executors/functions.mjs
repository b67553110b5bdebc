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

/** Computes for about half a millisecond, always the same, so that time is what is measured. */
const BUSY = `export const manifest = { id: 'busy', path: '/busy' }

export default {
  fetch() {
    let sum = 0
    for (let index = 1; index < 40_000; index++) sum += Math.sqrt(index) % 7
    return new Response(String(sum))
  },
}
`

/**
 * What the measurements ask for: /hello; /busy; `/cold-0`, `/cold-1`, ... for the first time; `/sleeper`, which
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
  writeFileSync(join(functions, 'busy.mjs'), BUSY)
  write('sleeper', { idleTtl: SLEEP_AFTER })
  for (const sleep of image === undefined ? [] : ['pause', 'stop']) {
    const declared = { id: sleep, path: `/${sleep}`, image, sleep, idleTtl: SLEEP_AFTER }
    mkdirSync(join(functions, sleep))
    writeFileSync(join(functions, sleep, 'fezz.json'), JSON.stringify(declared))
  }
  return { functions, cache: join(folder, 'cache'), run: join(folder, 'run') }
}
