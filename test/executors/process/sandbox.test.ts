import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findTools } from '../../../src/executors/process/tools.ts'
import type { ProgramCode } from '../../../src/function/contract.ts'
import { checkManifest } from '../../../src/function/manifest-schema.ts'
import { artifactOf } from '../../contract/executor-artifacts.ts'
import { call, inNewFolder, ProcessWorld, type Program } from './setup.ts'
import { hasTool } from './tools.ts'

const { bwrap: _bwrap, ...withoutBwrap } = findTools()
const hasBwrap = await hasTool('bwrap', 'bubblewrap')
const hasUnshare = await hasTool('unshare', 'util-linux')
const isRoot = process.getuid?.() === 0

const USERS: readonly { readonly name: string; readonly declared: { readonly user?: string } }[] = [
  { name: "the host's user", declared: {} },
  ...(isRoot ? [{ name: 'another user', declared: { user: 'nobody' } }] : []),
]

/** A shell script that is run for each request. */
function script(text: string): Program {
  return { files: { data: 'of the folder' }, command: ['sh', '-c', text], protocol: 'bootstrap' }
}

const MOUNT = 'mount -t tmpfs -o size=1m,mode=777 tmpfs "$1"'

/** Prints the names of the network's interfaces. */
const LINKS = "sed -n 's/^ *\\([^ :]*\\):.*/\\1/p' /proc/net/dev"

const NODE_SERVER: Program = {
  files: {
    'main.cjs': `require('node:http').createServer((request, response) => response.end('fine'))
      .listen(process.env.FEZZ_SOCKET)`,
  },
  command: [process.execPath, './main.cjs'],
  reads: [process.execPath],
}

describe.each([
  ['bwrap', hasBwrap, findTools()],
  ['unshare', hasUnshare, withoutBwrap],
])('sandbox: namespaces by %s', (_name, isThere, tools) => {
  describe.skipIf(!isThere).each(USERS)('as $name', ({ declared }) => {
    let world: ProcessWorld
    beforeAll(async () => {
      world = await ProcessWorld.open({ tools })
    })
    afterAll(() => world[Symbol.asyncDispose]())

    const output = async (text: string, more = {}): Promise<string> => {
      const instance = await world.load(script(text), {
        sandbox: 'namespaces',
        ...declared,
        ...more,
      })
      return (await call(instance)).text()
    }

    it('shows no process but its own', async () => {
      const seen = (await output('ls /proc')).split('\n').filter(name => /^\d+$/.test(name))
      expect(seen.length).toBeLessThanOrEqual(4)
      expect(await output(`test -e /proc/${process.pid}/environ || echo hidden`)).toBe('hidden\n')
    })

    it('shows no files but those of the system and its own', async () => {
      const [root, tmp, data] = (
        await output('echo $(ls /); ls -A /tmp | grep -v ^fezz; cat data')
      ).split('\n')
      expect(
        root
          ?.split(' ')
          .filter(
            name => !/^(bin|dev|etc|lib\d*|libx32|proc|sbin|tmp|usr|root|work|home)$/.test(name),
          ),
      ).toEqual([])
      expect([tmp, data].join('')).toContain('of the folder')
      expect(await output('test -e /etc/shadow || echo hidden')).toBe('hidden\n')
      expect(await output(`test -e ${import.meta.filename} || echo hidden`)).toBe('hidden\n')
      expect(await output(`ls -A ${world.runFolder.path} | wc -l`)).toBe('1\n')
    })

    it('can write to its home and to /tmp, and nowhere else', async () => {
      expect(await output('echo a > "$HOME/a" && echo b > /tmp/b && cat "$HOME/a" /tmp/b')).toBe(
        'a\nb\n',
      )
      for (const place of ['.', '/usr', '/etc', '/']) {
        expect(await output(`touch ${place}/written 2>/dev/null || echo refused`)).toBe('refused\n')
      }
    })

    it('is made by programs of the system, wherever the PATH of the function leads', async () => {
      const mine = inNewFolder()
      chmodSync(mine, 0o777)
      const trap = `#!/bin/sh\necho "$0" >> ${mine}/run\n`
      const files = Object.fromEntries(
        ['mkdir', 'mount', 'pivot_root', 'sh', 'umount'].map(name => [name, trap]),
      )
      const command = ['/bin/sh', '-c', 'echo fine']
      const deployment = world.deployment(
        { files, command, protocol: 'bootstrap' },
        { sandbox: 'namespaces', ...declared },
      )
      const PATH = `${(deployment.code as ProgramCode).folder}:${process.env['PATH']}`
      const instance = await world.executor.load({ ...deployment, env: { PATH } })
      expect(await (await call(instance)).text()).toBe('fine\n')
      expect(existsSync(join(mine, 'run'))).toBe(false)
    })

    it.skipIf(!isRoot)(
      'cannot write to what is mounted within a folder that it reads',
      async () => {
        const deployment = world.deployment(
          {
            ...script('touch "in it/written" 2>/dev/null || echo refused'),
            files: { 'in it/x': '' },
          },
          { sandbox: 'namespaces', ...declared },
        )
        const mounted = join((deployment.code as ProgramCode).folder, 'in it')
        execFileSync('sh', ['-c', MOUNT, 'sh', mounted])
        try {
          const instance = await world.executor.load(deployment)
          expect(await (await call(instance)).text()).toBe('refused\n')
        } finally {
          execFileSync('sh', ['-c', 'umount "$1"', 'sh', mounted])
        }
      },
    )

    it.skipIf(!isRoot).each([
      ['another hides', `${MOUNT}; ( set -- "\${1%/*}"; ${MOUNT} )`, 'umount "$1"'],
      ['its user cannot reach', `${MOUNT}; chmod 700 "\${1%/*}"`, 'chmod 755 "$1"'],
    ])(
      'runs where something is mounted within such a folder that %s',
      async (_what, mount, undo) => {
        const deployment = world.deployment(
          { ...script('echo fine'), files: { 'outer/inner/x': '' } },
          { sandbox: 'namespaces', ...declared },
        )
        const outer = join((deployment.code as ProgramCode).folder, 'outer')
        execFileSync('sh', ['-c', mount, 'sh', join(outer, 'inner')])
        try {
          const instance = await world.executor.load(deployment)
          expect(await (await call(instance)).text()).toBe('fine\n')
        } finally {
          execFileSync('sh', ['-c', `${undo}; umount "$1/inner"`, 'sh', outer])
        }
      },
    )

    it('has no capabilities to get out again', async () => {
      const status = await output('grep -E "CapEff|NoNewPrivs" /proc/self/status')
      expect(status).toMatch(/CapEff:\s+0{16}/)
      expect(status).toMatch(/NoNewPrivs:\s+1/)
      expect(await output('umount /proc 2>/dev/null || echo refused')).toBe('refused\n')
    })

    it('cannot change what is of the whole machine in /proc, nor by another /proc', async () => {
      // Opened, and nothing written.
      const open = '( : >> /proc/sys/kernel/core_pattern ) 2>/dev/null'
      expect(await output(`${open} || echo refused`)).toBe('refused\n')
      const again = `unshare --user --map-root-user --mount --pid --fork sh -c 'mount -t proc proc /proc && ${open}'`
      expect(await output(`${again} 2>/dev/null || echo refused`)).toBe('refused\n')
      expect(await output('echo 900 > /proc/self/oom_score_adj && echo written')).toBe('written\n')
    })

    it('has a network unless it is taken away', async () => {
      const own = `${readlinkSync('/proc/self/ns/net')}\n`
      expect(await output('readlink /proc/self/ns/net')).toBe(own)
      expect(await output(LINKS, { network: false })).toBe('lo\n')
    })

    it('serves on FEZZ_SOCKET even without a network', async () => {
      const instance = await world.load(NODE_SERVER, {
        sandbox: 'namespaces',
        network: false,
        ...declared,
      })
      expect(await (await call(instance)).text()).toBe('fine')
      await instance.unload()
    })

    it('asks to end before it ends', async () => {
      const text = `${NODE_SERVER.files['main.cjs']}
        process.on('SIGTERM', () => { console.log('goodbye'); process.exit() })`
      const polite = { ...NODE_SERVER, files: { 'main.cjs': text } }
      const instance = await world.load(polite, { sandbox: 'namespaces', ...declared })
      expect(await (await call(instance)).text()).toBe('fine')
      await instance.unload()
      expect(world.lines.splice(0)).toContainEqual(expect.objectContaining({ msg: 'goodbye' }))
    })

    it('runs JavaScript', async () => {
      const manifest = checkManifest({ id: 'js', sandbox: 'namespaces', ...declared }, 'js')
      const env = { JOURNAL: '/tmp/journal' }
      const code = await artifactOf('Echo')
      chmodSync(code.folder, 0o755)
      const instance = await world.executor.load({ manifest, code, env })
      expect(await (await call(instance, '/')).json()).toMatchObject({ calls: 1 })
      await instance.unload()
    })

    it('holds the limits of memory and processor time too', async () => {
      const eat = 'const all = []; setInterval(() => all.push(Buffer.alloc(2e7, 1)), 5)'
      const eater: Program = {
        ...NODE_SERVER,
        command: [process.execPath, './main.cjs'],
        files: { 'main.cjs': `${NODE_SERVER.files['main.cjs']}; ${eat}` },
      }
      const instance = await world.load(eater, {
        sandbox: 'namespaces',
        memory: '250MiB',
        ...declared,
      })
      expect(await instance.exited).toMatchObject({ reason: 'out-of-memory' })
    })
  })
})

describe('a sandbox that the machine does not have', () => {
  it.each([
    ['sandbox: namespaces', { sandbox: 'namespaces' }, 'bubblewrap'],
    ['network: false', { network: false }, 'unshare'],
  ] as const)('fails the load: %s', async (_name, declared, remedy) => {
    await using world = await ProcessWorld.open({ tools: { sh: '/bin/sh' } })
    await expect(world.load(script('true'), declared)).rejects.toMatchObject({
      code: 'INVALID_MANIFEST',
      message: expect.stringContaining(remedy),
    })
  })

  it('fails the load when the machine refuses it', async () => {
    const refusing = join(inNewFolder(), 'bwrap')
    writeFileSync(refusing, '#!/bin/sh\necho bwrap: no permissions >&2; exit 1', { mode: 0o755 })
    await using world = await ProcessWorld.open({ tools: { ...withoutBwrap, bwrap: refusing } })
    const loading = world.load(script('true'), { sandbox: 'namespaces' })
    await expect(loading).rejects.toMatchObject({
      code: 'INVALID_MANIFEST',
      message: expect.stringContaining('refuses'),
      cause: { message: expect.stringContaining('no permissions') },
    })
  })

  it.skipIf(!hasUnshare)('network: false needs no more than unshare', async () => {
    await using world = await ProcessWorld.open({ tools: withoutBwrap })
    const instance = await world.load(script(LINKS), { network: false })
    expect(await (await call(instance)).text()).toBe('lo\n')
  })
})
