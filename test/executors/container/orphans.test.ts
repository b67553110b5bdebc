import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { hasPodman } from '../../services/podman-service.ts'
import { Containers, ownName } from './container-setup.ts'

const SCRIPT = join(import.meta.dirname, 'killed-host-script.ts')

/** Another host, of the same owner; killed when disposed of. */
async function otherHost(containers: Containers, owner: string) {
  const folder = mkdtempSync(join(tmpdir(), 'fezz-o-'))
  const args = [SCRIPT, containers.socketPath, containers.image, owner, folder]
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  await Promise.race([once(child.stdout, 'data'), exited])
  const kill = async () => {
    child.kill('SIGKILL')
    await exited
  }
  return {
    kill,
    async [Symbol.asyncDispose]() {
      await kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

describe.skipIf(!(await hasPodman()))('containers of another host', { timeout: 60_000 }, () => {
  it('are left alone while it lives, and removed when it was killed', async () => {
    await using first = await Containers.open()
    const owner = ownName()
    await using other = await otherHost(first, owner)
    const theirs = async () => (await first.list(owner)).map(({ State }) => State).sort()
    expect(await theirs()).toEqual(['exited', 'paused', 'running'])

    await using neighbour = await Containers.open({ owner })
    await neighbour.executor.load(neighbour.function())
    expect(await theirs()).toEqual(['exited', 'paused', 'running', 'running'])
    await neighbour.executor.close()
    expect(await theirs()).toEqual(['exited', 'paused', 'running'])

    await other.kill()
    await using stranger = await Containers.open()
    await stranger.executor.load(stranger.function())
    expect(await theirs()).toEqual(['exited', 'paused', 'running'])

    await using successor = await Containers.open({ owner })
    await successor.executor.load(successor.function())
    expect(await theirs()).toEqual(['running'])
  })
})
