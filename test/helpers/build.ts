import { execFile } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import { delimiter, dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const ROOT = resolve(import.meta.dirname, '../..')
const SOURCES = ['src', 'decorators', 'tsup.config.ts', 'package.json']
const PRODUCT = 'dist/cli.js'

/** Before any test: brings dist up to date with the sources, so that what is tested is what is there. */
export async function setup(): Promise<void> {
  const times = await Promise.all(SOURCES.map(newestChange))
  if (Math.max(...times) < (await changeOf(join(ROOT, PRODUCT)))) return
  await run(join(ROOT, 'node_modules/.bin/tsup'), ['--silent'], {
    cwd: ROOT,
    // The very Node that runs the tests, whatever comes first on PATH.
    env: {
      ...process.env,
      PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
    },
  })
}

async function newestChange(path: string): Promise<number> {
  const place = join(ROOT, path)
  const found = await stat(place)
  if (!found.isDirectory()) return found.mtimeMs
  const names = await readdir(place, { recursive: true })
  return Math.max(...(await Promise.all(names.map(name => changeOf(join(place, name))))))
}

/** 0 for what is not there. */
async function changeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.mtimeMs ?? 0
}
