// A host that is nothing but its membership. First argument: the store, and what to change of the
// entry; the last line that it writes is what has become of it.
import { Membership } from '../../src/control-plane/membership.ts'
import { openStore } from '../../src/control-plane/open-store.ts'
import { parseStoreUrl } from '../../src/control-plane/store-url.ts'
import { createLogger } from '../../src/telemetry/logger.ts'

const { url, ttlMs, node } = JSON.parse(process.argv[2] as string)
const log = createLogger({ level: 'info' })
const store = await openStore(parseStoreUrl(url), { log })
const membership = new Membership({ store, node, ttlMs, log })
process.on('SIGTERM', () => void end(0))

async function end(code: number): Promise<void> {
  await membership.leave()
  await store.close()
  // The process ends by itself: nothing may be left open.
  process.exitCode = code
  process.stdin.destroy()
}

process.stdin.on('data', () => {})
try {
  await membership.join()
  await membership.setState('ready')
  log.info('joined')
} catch (error) {
  log.error({ err: error }, 'refused')
  await end(1)
}
