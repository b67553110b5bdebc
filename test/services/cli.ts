import { readFile } from 'node:fs/promises'
import type { BackgroundService } from './background-service.ts'
import { startConsul } from './consul.ts'
import { startEnvoy } from './envoy.ts'
import { startEtcd } from './etcd.ts'
import { testImages } from './images.ts'
import { removeLeftovers } from './leftovers.ts'
import { startPodman } from './podman.ts'
import { startRegistry } from './registry.ts'

/** `npm run services -- etcd consul envoy=FILE`: starts them for a person, until Ctrl-C. */
const STARTS: Readonly<Record<string, (file?: string) => Promise<BackgroundService>>> = {
  etcd: () => startEtcd(),
  consul: () => startConsul(),
  envoy: async file =>
    startEnvoy(file === undefined ? {} : { config: await readFile(file, 'utf8') }),
  podman: async () => {
    const podman = await startPodman()
    await testImages(podman)
    return podman
  },
  registry: () => startRegistry(),
}

async function main(wanted: readonly string[]): Promise<void> {
  const unknown = wanted.find(word => !Object.hasOwn(STARTS, nameOf(word)))
  if (wanted.length === 0 || unknown !== undefined) {
    console.error(unknown === undefined ? 'Name the services.' : `There is no ${unknown}.`)
    console.error(`Usage: npm run services -- ${Object.keys(STARTS).join(' ')} [envoy=FILE]`)
    process.exitCode = 2
    return
  }
  // From the start on, and for good: npm sends the signal of the terminal a second time.
  const interrupted = new Promise<void>(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, resolve)
  })
  await removeLeftovers()
  await using services = new AsyncDisposableStack()
  for (const word of wanted) {
    const [name = '', file] = word.split('=')
    const service = services.use(await (STARTS[name] as StartOf)(file))
    console.log(`${name} ${service.endpoint} pid ${service.pid} in ${service.folder}`)
  }
  console.log('Ctrl-C ends them and removes their data.')
  await interrupted
}

type StartOf = (file?: string) => Promise<BackgroundService>

function nameOf(word: string): string {
  return word.split('=')[0] ?? ''
}

await main(process.argv.slice(2))
