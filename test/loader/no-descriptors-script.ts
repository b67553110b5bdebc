import { openSync } from 'node:fs'
import { join } from 'node:path'
import { Loader } from '../../src/loader/loader.ts'
import { createLogger } from '../../src/telemetry/logger.ts'

// Loads a folder twice, the second time with no file descriptor left; tells of both what came of it.
const folder = process.argv[2] as string
const loader = new Loader({
  cacheDir: join(folder, '.cache'),
  log: createLogger({ level: 'silent' }),
})
for (let round = 0; round < 2; round++) {
  const { functions, errors } = await loader.load([folder])
  const told = {
    loaded: functions.map(({ manifest }) => manifest.id),
    errors: errors.map(({ message }) => /EMFILE/.exec(message)?.[0] ?? message),
    known: [...loader.watchList.keys()],
  }
  process.stdout.write(`${JSON.stringify(told)}\n`)
  try {
    while (round === 0) openSync('/dev/null', 'r')
  } catch {
    // That was the last one.
  }
}
