import { chmod, cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { CACHE, cached } from '../../services/cache.ts'
import { run } from '../../services/run.ts'

/** Kept between runs: what pip and npm fetch first takes longer than a test may. */
export const PROGRAMS_CACHE = join(CACHE, 'programs')

/** What no one but the test adds: that the app answers every path. */
const EVERYTHING = JSON.stringify({ path: '/*', method: 'ANY' })

/** A folder with one function in it; gone when the test is. */
async function functionFolder(name: string): Promise<{ all: string; own: string }> {
  const all = await mkdtemp(join(tmpdir(), 'fezz-frameworks-'))
  onTestFinished(() => rm(all, { recursive: true, force: true }))
  return { all, own: join(all, name) }
}

/**
 * The tutorial app out of the source package of Flask, as it is.
 *
 * @returns a folder with it as its one function
 */
export async function flaskTutorial(): Promise<string> {
  const entry = 'flaskr/__init__.py'
  const file = await cached('flask-3.1.3-tutorial', entry, async scratch => {
    const options = ['--no-deps', '--no-binary', ':all:', '--dest', scratch]
    await run('python3', ['-m', 'pip', 'download', ...options, 'flask==3.1.3'])
    const [archive = ''] = (await readdir(scratch)).filter(name => name.endsWith('.tar.gz'))
    await run('tar', ['-xzf', archive], { cwd: scratch })
    const folder = join(archive.replace(/\.tar\.gz$/, ''), 'examples/tutorial')
    // The cache keeps programs.
    await chmod(join(scratch, folder, entry), 0o755)
    return folder
  })
  const { all, own } = await functionFolder('flaskr')
  await cp(file.slice(0, -entry.length), own, { recursive: true })
  await writeFile(join(own, 'fezz.json'), EVERYTHING)
  return all
}

/**
 * What the generator of Express makes, as it is.
 *
 * @returns a folder with it as its one function
 */
export async function expressApp(): Promise<string> {
  const name = 'express-generator'
  const path = `node_modules/${name}/bin/express-cli.js`
  const generator = await cached(`${name}-4.16.1-tree`, path, async scratch => {
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefix', scratch]
    await run('npm', ['install', ...options, `${name}@4.16.1`])
    return '.'
  })
  const { all, own } = await functionFolder('express')
  await run(process.execPath, [generator, '--view=ejs', own])
  await writeFile(join(own, 'fezz.json'), EVERYTHING)
  return all
}
