import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { describeThreeFunctions } from '../../contract/executor-three.ts'
import { serve, temporaryFolder } from '../../helpers/cli.ts'
import { testImage } from '../../services/images.ts'
import { hasPodman, podmanService } from '../../services/podman-service.ts'
import { hammer, type Report } from '../keep-alive-client.ts'

const canContain = await hasPodman()
const SOON_MS = 60_000

describeThreeFunctions('in-process')
describeThreeFunctions('thread')
describeThreeFunctions('process')
if (canContain) {
  const service = await podmanService()
  describeThreeFunctions('container', {
    containerEngine: service.endpoint,
    nodeImage: await testImage(service, 'node'),
  })
}

/** Says where it runs, beside the word that has put it there. */
function page(executor: string): string {
  return `import { isMainThread } from 'node:worker_threads'

    export const manifest = { path: '/page', executor: '${executor}' }
    export default () => new Response('${executor} ' + isMainThread + ' ' + process.pid)`
}

it('an edit of that word moves a function while it is asked, and no request fails', async () => {
  const folder = await temporaryFolder()
  const file = join(folder, 'page.ts')
  const service = canContain ? await podmanService() : undefined
  const containers = service && {
    FEZZ_CONTAINER_ENGINE: service.endpoint,
    FEZZ_NODE_IMAGE: await testImage(service, 'node'),
  }
  await writeFile(file, page('in-process'))
  await using host = await serve([folder, '--watch'], {
    env: { FEZZ_RUN_DIR: await temporaryFolder(), ...containers },
  })
  const moves = ['thread', 'process', ...(canContain ? ['container'] : []), 'in-process']
  let isOver = false
  const latest = new Map<number, string>()
  const clients = [1, 2, 3].map(client =>
    hammer(host.port, '/page', ({ answers }) => {
      latest.set(client, answers.at(-1) ?? '')
      return isOver
    }),
  )
  const isEverywhere = (executor: string) =>
    latest.size === clients.length &&
    [...latest.values()].every(body => body.startsWith(`${executor} `))
  await expect.poll(() => isEverywhere('in-process')).toBe(true)
  for (const executor of moves) {
    await writeFile(file, page(executor))
    await expect.poll(() => isEverywhere(executor), { timeout: SOON_MS }).toBe(true)
  }
  isOver = true
  const reports = await Promise.all(clients)
  expect(reports.flatMap(({ failure }: Report) => failure ?? [])).toEqual([])
  const places = new Set(reports.flatMap(({ answers }) => answers))
  const own = host.child.pid as number
  const pidOf = (executor: string) =>
    [...places].find(place => place.startsWith(`${executor} `))?.split(' ')[2]
  // Each ran in one place, and none in another's.
  expect([...places].map(place => place.split(' ').slice(0, 2).join(' ')).sort()).toEqual(
    ['in-process true', ...moves.slice(0, -1).map(kind => `${kind} ${kind !== 'thread'}`)].sort(),
  )
  expect(pidOf('in-process')).toBe(String(own))
  expect(pidOf('thread')).toBe(String(own))
  expect(pidOf('process')).not.toBe(String(own))
  expect(host.lines.filter(({ level }) => level === 'error')).toEqual([])
  // Killed, it would leave to nobody what it leaves.
  await host.stop()
}, 180_000)
