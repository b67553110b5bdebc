import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'

const home = await mkdtemp(join(tmpdir(), 'fezz-cache-test-'))
vi.stubEnv('XDG_CACHE_HOME', home)
const { CACHE, cached } = await import('./cache.ts')

beforeAll(() => mkdir(CACHE, { recursive: true }))
afterAll(() => rm(home, { recursive: true }))

async function make(scratch: string): Promise<string> {
  await mkdir(join(scratch, 'root'))
  await writeFile(join(scratch, 'root/program'), '', { mode: 0o755 })
  return 'root'
}

it('makes a program once for all who want it at the same time', async () => {
  const once = vi.fn(make)
  const found = await Promise.all([1, 2, 3].map(() => cached('wanted', 'program', once)))
  expect(new Set(found)).toEqual(new Set([join(CACHE, 'wanted/program')]))
  expect(once).toHaveBeenCalledTimes(1)
})

it('leaves nothing when it cannot be made, and tries again', async () => {
  const failing = () => Promise.reject(new Error('no network'))
  await expect(cached('failing', 'program', failing)).rejects.toThrow('no network')
  const others = (await readdir(CACHE)).filter(name => name.startsWith('failing'))
  expect(others).toEqual([])
  await expect(cached('failing', 'program', make)).resolves.toContain('failing/program')
})

it('refuses a package that lacks the program', async () => {
  await expect(cached('lacking', 'other', make)).rejects.toThrow('the package has no other')
})

it('does not wait for a process that died at its work', async () => {
  // No process has an id as high as this: Linux ends at 4 million.
  await symlink('2000000000', join(CACHE, 'died.lock'))
  await expect(cached('died', 'program', make)).resolves.toContain('died/program')
})
