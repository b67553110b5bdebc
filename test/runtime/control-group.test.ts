import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { checkManifest } from '../../src/function/manifest-schema.ts'
import { resolveConfig } from '../../src/runtime/config.ts'
import { hostExecutors } from '../../src/runtime/executors.ts'
import { createLogger } from '../../src/telemetry/logger.ts'

it('a control group that the host may not divide is no group, and what it was to hold is not run', async () => {
  const runDir = mkdtempSync(join(tmpdir(), 'fezz-group-'))
  const { executors } = hostExecutors({
    config: resolveConfig({ runDir, controlGroup: '/no/such/group' }),
    log: createLogger({ level: 'silent' }),
    ensure: async () => {},
  })
  const loading = executors.load({
    manifest: checkManifest({ id: 'program', version: 'v1', command: ['true'] }, 'program'),
    code: {
      kind: 'program',
      sha256: '0'.repeat(64),
      folder: runDir,
      command: ['true'],
      protocol: 'bootstrap',
      env: {},
      reads: [],
    },
    env: {},
  })
  await expect(loading).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: expect.stringContaining('controlGroup "/no/such/group"'),
  })
  await executors.close()
  await rm(runDir, { recursive: true })
})
