#!/usr/bin/env node
// The first thing that runs, on whatever Node a person has: it must parse on old ones and say what
// is wrong before anything newer is loaded.
import nodeModule from 'node:module'

const OLDEST = 24
const LEFTOVERS_MS = 500

if (Number.parseInt(process.versions.node, 10) < OLDEST) {
  process.stderr.write(
    `fezz: this is Node ${process.versions.node}; Fezz needs Node ${OLDEST} or newer (npm install node@${OLDEST} brings one)\n`,
  )
  process.exitCode = 1
} else {
  nodeModule.enableCompileCache()
  // gRPC prints what it also reports as an error, between the lines of our own log.
  process.env['GRPC_VERBOSITY'] ??= 'NONE'
  const { main } = await import('./program.ts')
  process.exitCode = await main(process.argv)
  // What a function has left open, such as a socket, must not keep a closed host alive.
  setTimeout(() => process.exit(), LEFTOVERS_MS).unref()
}
