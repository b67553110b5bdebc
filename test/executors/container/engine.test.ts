import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import { Engine } from '../../../src/executors/container/engine.ts'

describe('what a container prints', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fezz-e-'))
  const socketPath = join(folder, 'engine.sock')
  afterEach(() => rmSync(folder, { recursive: true }))

  // Podman 4.3 does so once in some ten wakes of a container without a network.
  it('is read also where the engine first refuses a container that has only just ended', async () => {
    let calls = 0
    const server = createServer((_request, response) => {
      calls++
      if (calls > 1) return response.end('printed')
      response.statusCode = 500
      const message = 'can only attach to created or running containers: container state improper'
      return response.end(JSON.stringify({ message }))
    }).listen(socketPath)
    await once(server, 'listening')
    const engine = new Engine({ socketPath })
    try {
      expect(await text(await engine.attach('one'))).toBe('printed')
      expect(calls).toBe(2)
    } finally {
      engine.close()
      server.close()
    }
  })
})
