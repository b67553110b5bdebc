import { describe, expect, it } from 'vitest'
import type { ContainerFacts } from '../../../src/executors/container/engine.ts'
import { findEngine } from '../../../src/executors/container/engine-address.ts'
import { engineError } from '../../../src/executors/container/engine-error.ts'
import { Reach } from '../../../src/executors/container/reach.ts'

const facts = (address: string, port: string) =>
  ({
    NetworkSettings: {
      Networks: { none: { IPAddress: '' }, bridge: { IPAddress: address } },
      Ports: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: port }] },
    },
  }) as unknown as ContainerFacts

const kinds = (reach: Reach, found = facts('10.0.0.2', '40000')) =>
  reach.candidates(found, 80, '/run/http.sock').map(({ kind }) => kind)

describe('where a container is found', () => {
  it('is tried in every way at first, and then in the one that is known', () => {
    const reach = new Reach()
    expect(reach.publishes).toBe(true)
    expect(kinds(reach)).toEqual(['socket', 'direct', 'published'])
    const [socket, direct] = reach.candidates(facts('10.0.0.2', '40000'), 80, '/run/http.sock')
    reach.learn(socket!)
    expect(reach.publishes).toBe(true)
    reach.learn(direct!)
    expect(reach.publishes).toBe(false)
    expect(kinds(reach)).toEqual(['socket', 'direct'])
    reach.unlearn()
    expect(kinds(reach)).toEqual(['socket', 'direct', 'published'])
  })

  it('is a published port where there is no address, and must answer there', () => {
    const reach = new Reach()
    const [published] = reach.candidates(facts('', '40000'), 80, undefined)
    expect(published).toEqual({
      kind: 'published',
      address: { host: '127.0.0.1', port: 40_000 },
      sign: { kind: 'answer' },
    })
    reach.learn(published!)
    expect(reach.publishes).toBe(true)
    expect(kinds(reach)).toEqual(['socket', 'published'])
  })

  it('is its socket alone where it has no port', () => {
    const found = new Reach().candidates(facts('10.0.0.2', '40000'), undefined, '/run/http.sock')
    expect(found.map(({ kind }) => kind)).toEqual(['socket'])
  })
})

describe('the engine', () => {
  it('is at DOCKER_HOST when that is set, else at a socket', () => {
    expect(findEngine({ DOCKER_HOST: 'tcp://127.0.0.1:2375' })).toBe('environment')
    expect(findEngine({})).toMatchObject({ socketPath: expect.stringMatching(/\.sock$/) })
  })

  it("is the user's own podman where the machine's Docker is closed to the user", () => {
    const env = { XDG_RUNTIME_DIR: '/run/user/1000' }
    const own = '/run/user/1000/podman/podman.sock'
    expect(findEngine(env, path => path === own)).toEqual({ socketPath: own })
    expect(findEngine(env, () => true)).toEqual({ socketPath: '/var/run/docker.sock' })
  })

  it('that is closed to the user is not said to be missing', () => {
    const error = Object.assign(new Error('connect EACCES'), { code: 'EACCES' })
    const { message } = engineError(error, 'list containers', '/var/run/docker.sock')
    expect(message).toMatch(/^the user of the host may not open .*\/var\/run\/docker.sock/)
    expect(message).not.toContain('start Docker')
  })
})
