import { once } from 'node:events'
import { watch } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import type { ServedFiles } from '../../src/cli/served-files.ts'
import { watchFiles } from '../../src/cli/watch.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { temporaryFolder } from '../helpers/cli.ts'

afterEach(() => {
  vi.useRealTimers()
})

/** Makes a file, and waits until whoever began to watch its folder before has been told. */
async function make(folder: string, name: string): Promise<void> {
  const watcher = watch(folder)
  const told = once(watcher, 'change')
  await writeFile(join(folder, name), '')
  await told
  watcher.close()
}

it('what comes and goes in a folder far above is no change', async () => {
  const above = await temporaryFolder()
  const folder = join(above, 'functions')
  await mkdir(folder)
  await writeFile(join(folder, 'page.ts'), '')
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  // A build reads these, and would read the one that is not there.
  const inputs = [join(folder, 'page.ts'), join(above, 'package.json')]
  const files = { paths: [folder], inputs } as unknown as ServedFiles
  using _watcher = watchFiles(files, createLogger({ level: 'silent' }))
  await make(above, 'download.part')
  expect(vi.getTimerCount()).toBe(0)
  await make(above, 'package.json')
  expect(vi.getTimerCount()).toBe(1)
  vi.clearAllTimers()
  await make(folder, 'other.ts')
  expect(vi.getTimerCount()).toBe(1)
})
