/** Builds the Go package in the working folder into .fezz/program. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const MAIN = '.fezz/main.go'
const PROGRAM = '.fezz/program'

mkdirSync('.fezz', { recursive: true })
const [name, importPath] = go('list', '-f', '{{.Name}}\n{{.ImportPath}}', '.').trim().split('\n')
if (name !== 'main') writeFileSync(MAIN, mainOf(importPath))
// -modcacherw: a cache that cannot be written to cannot be deleted either.
const options = ['-modcacherw', '-trimpath', '-buildvcs=false', '-ldflags=-s -w', '-o', PROGRAM]
go('build', ...options, name === 'main' ? '.' : MAIN)

/** A main package around the exported Handler, with the hooks that there are. */
function mainOf(path) {
  const sources = readdirSync('.')
    .filter(file => file.endsWith('.go') && !file.endsWith('_test.go'))
    .map(file => readFileSync(file, 'utf8'))
    .join('\n')
  const has = hook => new RegExp(`^func ${hook}\\(`, 'm').test(sources)
  if (!has('Handler')) {
    fail(`package ${name} is not main and has no func Handler(http.ResponseWriter, *http.Request)`)
  }
  return readFileSync(join(import.meta.dirname, 'main.go.tmpl'), 'utf8')
    .replaceAll('{{import}}', path)
    .replaceAll(/^.*\{\{if (\w+)\}\}(.*)\n/gm, (_, hook, line) => (has(hook) ? `${line}\n` : ''))
}

function go(...args) {
  const { status, error, stdout } = spawnSync('go', args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (error !== undefined) fail(`go cannot be run: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
  return stdout
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
