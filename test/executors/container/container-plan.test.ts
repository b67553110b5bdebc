import { afterEach, describe, expect, it, vi } from 'vitest'
import { planContainer } from '../../../src/executors/container/container-plan.ts'
import type { Deployment } from '../../../src/function/contract.ts'
import type { ManifestInput } from '../../../src/function/manifest.ts'
import { checkManifest } from '../../../src/function/manifest-schema.ts'

afterEach(() => vi.restoreAllMocks())

function program(declared: Partial<ManifestInput> = {}): Deployment {
  return {
    manifest: checkManifest({ id: 'shop', version: 'v3', ...declared }, 'shop'),
    env: { FEZZ_FUNCTION_ID: 'forged' },
    code: {
      kind: 'program',
      sha256: '0'.repeat(64),
      folder: '/code',
      command: ['python3', './app.py'],
      protocol: 'http',
      env: { PORT: '1' },
      reads: ['/packages'],
      image: 'python',
    },
  }
}

/** What of the plan says where the program is to listen. */
const listening = (deployment: Deployment) => {
  const { env, shared, port } = planContainer(deployment, undefined)
  return { PORT: env['PORT'], socket: env['FEZZ_SOCKET'], shared, port }
}

describe('a program in a container', () => {
  it('is told who it is and where to listen, whatever its own variables say', () => {
    vi.spyOn(process, 'getuid').mockReturnValue(0)
    const { env } = planContainer(program(), undefined)
    expect(env).toEqual({
      PORT: '8080',
      FEZZ_SOCKET: '/run/fezz/http.sock',
      FEZZ_FUNCTION_ID: 'shop',
      FEZZ_FUNCTION_VERSION: 'v3',
    })
  })

  it('has no socket where the host could not open it, unless there is no other way', () => {
    vi.spyOn(process, 'getuid').mockReturnValue(1000)
    expect(listening(program())).toEqual({ PORT: '8080', port: 8080 })
    expect(listening(program({ network: false }))).toEqual({
      PORT: '8080',
      socket: '/run/fezz/http.sock',
      shared: '/run/fezz',
    })
  })
})
