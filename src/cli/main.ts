#!/usr/bin/env node
// The first thing that runs, on whatever Node a person has: it must parse on old ones and say what
// is wrong before anything newer is loaded.
import { existsSync, lstatSync, mkdirSync } from 'node:fs'
import nodeModule from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const OLDEST = 24
const LEFTOVERS_MS = 500

if (Number.parseInt(process.versions.node, 10) < OLDEST) {
  process.stderr.write(
    `fezz: this is Node ${process.versions.node}; Fezz needs Node ${OLDEST} or newer (npm install node@${OLDEST} brings one)\n`,
  )
  process.exitCode = 1
} else {
  const cache = process.env['NODE_COMPILE_CACHE'] ?? ownCompileCache()
  if (cache !== undefined) nodeModule.enableCompileCache(cache)
  // gRPC prints what it also reports as an error, between the lines of our own log.
  process.env['GRPC_VERBOSITY'] ??= 'NONE'
  const { main } = await import('./program.ts')
  process.exitCode = await main(process.argv)
  // What a function has left open, such as a socket, must not keep a closed host alive.
  setTimeout(() => process.exit(), LEFTOVERS_MS).unref()
}

/**
 * Where only this user can write: Node runs the compiled code that it finds as it stands, and its own
 * default is one folder for all users of the machine, of whom the first to make it can put any there.
 */
function ownCompileCache(): string | undefined {
  const uid = process.getuid?.()
  const folder = join(tmpdir(), `fezz-compiled-${uid ?? 'user'}`)
  try {
    if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 })
    const found = lstatSync(folder)
    if (!found.isDirectory()) return undefined
    const isOwn = uid === undefined || (found.uid === uid && (found.mode & 0o022) === 0)
    return isOwn ? folder : undefined
  } catch {
    // Without one, it only starts more slowly; or another start makes it at this moment.
    return undefined
  }
}
