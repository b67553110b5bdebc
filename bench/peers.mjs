import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  helloFunctions,
  helloGlobalFunctions,
  helloStoreFunctions,
  projectFolder,
} from './fixtures.mjs'

const benchFolder = join(projectFolder, 'bench')
// Another build than that in dist, such as one that nobody rebuilds meanwhile.
const cli = process.env['BENCH_CLI'] ?? join(projectFolder, 'dist', 'cli.js')
const server = name => join(benchFolder, 'servers', name)
const binary = name => join(benchFolder, 'node_modules', '.bin', name)

/** A peer that is a script for the Node that runs this, so that all of them share one version. */
export function onNode(id, label, packageName, script = `${id}.mjs`) {
  return {
    id,
    label,
    missing: packageName && missingFile(join(benchFolder, 'node_modules', packageName)),
    command: port => [process.execPath, server(script), String(port)],
  }
}

/** A peer with a binary of its own. */
function onBinary(id, args) {
  return {
    id,
    label: id,
    missing: missingFile(binary(id)),
    command: port => [binary(id), ...args(port)],
    env: { DENO_NO_UPDATE_CHECK: '1' },
  }
}

/** `fezz serve` with the functions that `writeFunctions()` gives, and `settings`: FEZZ_* variables. */
export function onFezz(id, label, writeFunctions, settings = {}) {
  const missing = existsSync(cli) ? undefined : 'dist/cli.js is missing: npm run build'
  const { functions, cache } = writeFunctions()
  return {
    id,
    label,
    missing,
    command: port => [process.execPath, cli, 'serve', functions, '--port', String(port)],
    env: {
      FEZZ_HOST: '127.0.0.1',
      FEZZ_LOG_LEVEL: 'warn',
      FEZZ_CACHE_DIR: cache,
      ...settings,
    },
  }
}

/** The functions of {@link onFezz} out of a store, which the host follows and where it is a node. */
function onFezzCluster(id, label, writeFunctions) {
  const missing = existsSync(cli) ? undefined : 'dist/cli.js is missing: npm run build'
  const { functions, cache } = writeFunctions()
  const env = {
    FEZZ_HOST: '127.0.0.1',
    FEZZ_LOG_LEVEL: 'warn',
    FEZZ_CACHE_DIR: cache,
    FEZZ_STATE_DIR: join(cache, 'state'),
    FEZZ_STORE: pathToFileURL(join(cache, 'store')).href,
  }
  return {
    id,
    label,
    missing,
    prepare: () =>
      execFileSync(process.execPath, [cli, 'apply', functions, '--wait', '0'], {
        env: { ...process.env, ...env },
        stdio: ['ignore', 'ignore', 'inherit'],
      }),
    command: port => [process.execPath, cli, 'serve', '--port', String(port)],
    env,
  }
}

function missingFile(path) {
  return existsSync(path) ? undefined : 'not installed: npm --prefix bench install'
}

/** The yardstick. Every ratio is a ratio to this one. */
export const baseline = onNode('node', 'bare node:http')

/**
 * Every server compared. `missing` says why one cannot even be tried; `prepare()`, where there is
 * one, comes before its first start; `command(port, scenario)` starts it on 127.0.0.1 with the
 * environment `env` added; those of this list do the same in every scenario.
 */
export function allPeers() {
  return [
    baseline,
    onFezz('fezz', 'fezz', helloFunctions),
    onFezzCluster('fezz-store', 'fezz, control plane on', helloStoreFunctions),
    onFezz('fezz-global', 'fezz, global Response', helloGlobalFunctions),
    onNode('srvx', 'srvx, FastResponse', 'srvx'),
    onNode('hono', '@hono/node-server', '@hono/node-server'),
    onNode('fastify', 'fastify', 'fastify'),
    onBinary('workerd', port => [
      'serve',
      server('workerd.capnp'),
      `--socket-addr=http=127.0.0.1:${port}`,
    ]),
    onNode(
      'functions-framework',
      '@google-cloud/functions-framework',
      '@google-cloud/functions-framework',
    ),
    onBinary('bun', port => [server('bun.mjs'), String(port)]),
    onBinary('deno', port => [
      'run',
      '--no-config',
      '--no-lock',
      '--allow-net=127.0.0.1',
      server('deno.mjs'),
      String(port),
    ]),
  ]
}
