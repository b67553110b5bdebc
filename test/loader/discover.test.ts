import { execFile } from 'node:child_process'
import { chmod, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { findFunctions } from '../../src/loader/discover.ts'
import { Runtimes } from '../../src/loader/programs/runtimes.ts'
import { createProject } from './project.ts'

/** Removes a file when a folder beside it is looked at: after the list of both was made. */
class Removing extends Runtimes {
  readonly #file: string

  constructor(file: string) {
    super()
    this.#file = file
  }

  override async isProgram(folder: string): Promise<boolean> {
    if (basename(folder) === 'looked-at') await rm(this.#file)
    return false
  }
}

it('a file that goes while its folder is looked at takes no other function along', async () => {
  const folder = await createProject({ 'gone.ts': '', 'stays.ts': '', 'looked-at/notes.md': '' })
  const found = await findFunctions(folder, new Removing(join(folder, 'gone.ts')))
  expect(found.map(({ name }) => name)).toEqual(['stays.ts'])
})

const DISCOVER = join(import.meta.dirname, '../../src/loader/discover.ts')
/** Modules come first: their folder may be closed to whoever it becomes. */
const AS_NOBODY = `
  const { findFunctions } = await import(process.argv[1])
  if (process.getuid() === 0) process.seteuid(65534)
  const found = await findFunctions(process.argv[2], { isProgram: async () => false })
  console.log(JSON.stringify(found.map(({ name }) => name)))
`

it('a folder that is closed to the host, as lost+found is, hides none beside it', async () => {
  const folder = await createProject({ 'open.ts': '', 'lost+found/notes.md': '' })
  await chmod(folder, 0o755)
  await chmod(join(folder, 'lost+found'), 0)
  const code = ['--input-type=module', '--eval', AS_NOBODY, pathToFileURL(DISCOVER).href, folder]
  const { stdout } = await promisify(execFile)(process.execPath, code)
  await chmod(join(folder, 'lost+found'), 0o755)
  expect(JSON.parse(stdout)).toEqual(['open.ts'])
})
