import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { projectFolder } from './fixtures.mjs'

const entry = join(projectFolder, 'dist', 'index.js')

/**
 * A Fezz host in this process. Everything that lifecycle.mjs knows of Fezz is in this file.
 * @param options `cache`: folder for built bundles, kept between hosts
 * @returns the host as the measurements see it:
 *   `deploy(folder)` builds a folder's functions and gives them routes, loading none;
 *   `register(input, fetch)` adds or replaces one function, whole table swapped, when it resolves;
 *   `Response` is the class that functions get;
 *   `fetch(request)` is one request without a socket;
 *   `listen()` opens a port on 127.0.0.1 and resolves to its number;
 *   `unloadAll()` resolves when every loaded function is Unloaded;
 *   `close()` ends the host
 */
export async function createHost({ cache }) {
  if (!existsSync(entry)) throw new Error('dist/index.js is missing: npm run build')
  const { HhrfServer, Loader, Response } = await import(entry)
  const server = new HhrfServer({
    host: '127.0.0.1',
    port: 0,
    cacheDir: cache,
    idleTtl: '1h',
    logLevel: 'warn',
  })
  const loader = new Loader({ cacheDir: server.config.cacheDir, log: server.log })
  return {
    deploy: async folder => {
      const { functions, errors } = await loader.load([folder])
      if (errors.length > 0) throw errors[0]
      await server.deploy({ set: functions })
    },
    register: (input, fetch) => server.register({ fetch }, { ...input, webTypes: 'fezz' }).ready(),
    Response,
    fetch: request => server.fetch(request),
    listen: async () => (await server.listen()).port,
    unloadAll: () => server.host.unloadUnused(),
    close: () => server.close(),
  }
}
