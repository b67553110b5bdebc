import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { BufferedDestination } from '../../src/telemetry/destination.ts'
import { temporaryFolder } from '../helpers/cli.ts'

/** What a pipe takes without a part of another process in between. */
const PIPE_BUF = 4096

let file: string
let fd: number

beforeEach(async () => {
  file = join(await temporaryFolder(), 'log')
  fd = openSync(file, 'a')
})
afterEach(() => closeSync(fd))

const written = () => readFileSync(file, 'utf8')

it.each(['a', 'ä', '€', '😀'])(
  'lines of "%s" are written together up to the bytes that a pipe takes as a whole',
  character => {
    const line = (bytes: number) =>
      `${character.repeat((bytes - 1) / Buffer.byteLength(character))}\n`
    const half = line(PIPE_BUF / 2 - 11)
    const destination = new BufferedDestination(fd)
    destination.write(half)
    destination.write(half)
    expect(written()).toBe('')
    destination.write(half)
    expect(written()).toBe(half + half)
    destination.flush()
    expect(written()).toBe(half + half + half)
  },
)
