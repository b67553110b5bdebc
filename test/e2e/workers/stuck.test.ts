import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type CliHost, temporaryFolder } from '../../helpers/cli.ts'
import {
  answeringProcesses,
  functionFile,
  getAnew,
  samplesOf,
  serveByTwo,
} from './workers-setup.ts'

const TIMEOUT_MS = 1_000
const RESTLESS = functionFile('restless')

const serving = (files?: readonly string[]): Promise<CliHost> =>
  serveByTwo({ FEZZ_STUCK_TIMEOUT: `${TIMEOUT_MS}ms` }, files)

/** Line of `restless.ts` where this is written, from 1 on. */
async function lineOf(code: string): Promise<number> {
  const lines = (await readFile(RESTLESS, 'utf8')).split('\n')
  return lines.findIndex(line => line.includes(code)) + 1
}

describe('a worker that is stuck', () => {
  it.each([
    ['loop', 'for (;;) Math.random()'],
    ['promises', 'for (;;) await null'],
  ])(
    'in an endless %s is replaced while the other serves; the log names function and line',
    async (how, code) => {
      await using host = await serving()
      const stuck = getAnew(host, `/restless/${how}`)
      // What it has accepted before goes with it; from now on the other one takes all.
      await host.line(({ msg }) => msg === 'arrived')
      for (let served = 0; served < 20; served++)
        expect(await getAnew(host, '/quick')).toBe('quick')
      expect(await stuck).toBe('')
      const line = await host.line(({ level }) => level === 'error')
      expect(line).toMatchObject({ functionId: 'restless' })
      expect(line['place']).toMatch(`${RESTLESS}:${await lineOf(code)}:`)
      expect(line.msg).toMatch(
        /^worker [12] stood still .* stuck in function "restless" at .*restless\.ts:/,
      )
      await host.someLines(3, ({ msg }) => msg.startsWith('listening'))
      expect((await answeringProcesses(host, 2)).size).toBe(2)
      expect((await samplesOf(host)).get('fezz_worker_restarts_total{reason="stuck"}')).toBe(1)
    },
  )

  it('outside of JavaScript is replaced too', async () => {
    await using host = await serving()
    expect(await getAnew(host, '/restless/wait')).toBe('')
    const line = await host.line(({ level }) => level === 'error')
    expect(line.msg).toMatch(/was ended: it waits in a call outside of JavaScript$/)
  })

  it('when it was told to go is named too', async () => {
    const file = join(await temporaryFolder(), 'clinging.ts')
    await writeFile(
      file,
      `export default { fetch: () => new Response(), onUnload() { for (;;) Math.random() } }`,
    )
    await using host = await serving([file, RESTLESS])
    await getAnew(host, '/clinging')
    expect(await host.stop()).toEqual({ code: 0, signal: null })
    const [line] = host.lines.filter(({ level }) => level === 'error')
    expect(line).toMatchObject({ functionId: 'clinging' })
  })
})

it('a worker that was suspended, as by a sleeping machine, is not replaced', async () => {
  await using host = await serving()
  const pids = await answeringProcesses(host, 2)
  for (const pid of pids) process.kill(pid, 'SIGSTOP')
  // Long enough for a watchdog that went by the clock to bite when both wake up.
  await new Promise(resolve => setTimeout(resolve, 2 * TIMEOUT_MS))
  for (const pid of pids) process.kill(pid, 'SIGCONT')
  await new Promise(resolve => setTimeout(resolve, TIMEOUT_MS))
  expect(await answeringProcesses(host, 2)).toEqual(pids)
})

it('a worker is not replaced for one long turn in which it serves many', async () => {
  const file = join(await temporaryFolder(), 'busy.ts')
  await writeFile(
    file,
    `export default {
      async fetch() {
        // All timers that are due run in one turn.
        await new Promise(resolve => setTimeout(resolve, 100))
        const end = performance.now() + ${TIMEOUT_MS / 8}
        while (performance.now() < end);
        return new Response('done')
      },
    }`,
  )
  await using host = await serving([file, RESTLESS])
  const answers = await Promise.all(Array.from({ length: 32 }, () => getAnew(host, '/busy')))
  expect(new Set(answers)).toEqual(new Set(['done']))
  expect(host.lines.filter(({ level }) => level === 'error')).toEqual([])
})
