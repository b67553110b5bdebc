import { describe } from 'vitest'
import { ConsulStore } from '../../src/control-plane/consul/consul-store.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { storeContract } from '../contract/store-contract.ts'
import { consulProgram, startConsul } from '../services/consul.ts'

const log = createLogger({ level: 'silent' })

describe.skipIf((await consulProgram()) === undefined)('ConsulStore', () => {
  storeContract(
    'ConsulStore',
    async () => {
      // A tenth of what a real one allows, or these tests would take minutes.
      const consul = await startConsul({ settings: { session_ttl_min: '1s' } })
      const { endpoint } = consul
      return {
        open: async () => new ConsulStore({ endpoint, log, minSessionTtlMs: 1_000 }),
        async endLease(key) {
          const [entry] = JSON.parse(await consul.get(`/v1/kv/${key}`)) as [{ Session: string }]
          await fetch(`${endpoint}/v1/session/destroy/${entry.Session}`, { method: 'PUT' })
        },
        [Symbol.asyncDispose]: () => consul[Symbol.asyncDispose](),
      }
    },
    { minTtlMs: 2_000 },
  )
})
