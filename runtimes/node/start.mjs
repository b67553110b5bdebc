/**
 * Readies the sources in the working folder: links the installed packages, and notes what `npm start`
 * would run in .fezz/arguments.json.
 *
 * Usage: node start.mjs FOLDER-OF-PACKAGES
 */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [, , packages = ''] = process.argv
const { scripts, main } = existsSync('package.json')
  ? JSON.parse(readFileSync('package.json', 'utf8'))
  : {}

const installed = join(packages, 'node_modules')
if (packages !== '' && existsSync(installed) && !existsSync('node_modules')) {
  symlinkSync(installed, 'node_modules')
}

const found = argumentsOf(scripts?.start) ?? firstFile(main, 'server.js', 'index.js', 'index.mjs')
if (found !== undefined) {
  mkdirSync('.fezz', { recursive: true })
  writeFileSync('.fezz/arguments.json', JSON.stringify(found))
}

/** Of `node …` alone: whatever else a script may be is a matter of a shell. */
function argumentsOf(script) {
  const words = /^\s*node(?:\.exe)?\s+([^&|;<>$`"']+)$/.exec(script ?? '')?.[1]
  return words?.trim().split(/\s+/)
}

function firstFile(...names) {
  const name = names.find(name => typeof name === 'string' && existsSync(name))
  return name && [name]
}
