import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { runCli, temporaryFolder } from '../../helpers/cli.ts'

/** Runs `fezz ...args` on a store of its own, without an artifact store. */
async function workplace(files: Readonly<Record<string, string>>) {
  const folder = await temporaryFolder()
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
  const env = { FEZZ_STORE: `file://${folder}/store` }
  return { folder, fezz: (...args: string[]) => runCli(args, { cwd: folder, env }) }
}

it('fezz apply puts an image into the store, by its name alone', async () => {
  const { folder, fezz } = await workplace({
    'shop/fezz.json':
      '{ "image": "registry.example.com/shop:1", "path": "/shop", "memory": "1GiB" }',
  })
  const { code, stdout } = await fezz('apply', 'shop', '--wait', '0')
  expect([code, stdout]).toEqual([0, '+ shop v1  added\n'])
  const file = join(folder, 'store/fezz/v1/functions/shop.json')
  const entry = JSON.parse(await readFile(file, 'utf8'))
  expect(Object.keys(entry)).toEqual(['manifest'])
  expect(entry.manifest).toMatchObject({ image: 'registry.example.com/shop:1', path: '/shop' })
  expect((await fezz('apply', 'shop', '--wait', '0')).stdout).toBe('= shop v1  unchanged\n')
})

it('fezz apply refuses a program, and says what to do instead', async () => {
  const { folder, fezz } = await workplace({
    'shop/fezz.json': '{ "command": "sh run.sh" }',
    'shop/run.sh': '',
  })
  expect(await fezz('apply', 'shop')).toEqual({
    code: 1,
    signal: null,
    stdout: '',
    stderr: `fezz: ${join(folder, 'shop')}: a program cannot be put into a store; publish it as a container image and write { "image": "…" } into its fezz.json\n`,
  })
})
