import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { OutputLog, type OutputLogOptions } from '../../src/executors/output-log.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { FakeClock } from '../helpers/fake-clock.ts'

function setup(options: Partial<OutputLogOptions> = {}) {
  const clock = new FakeClock()
  const lines: Record<string, unknown>[] = []
  const destination = { write: (line: string) => lines.push(JSON.parse(line)) }
  const log = createLogger({ level: 'info', destination })
  const output = new OutputLog({ log, functionId: 'hello', clock, ...options })
  return { clock, lines, output, texts: () => lines.map(({ msg }) => msg) }
}

describe('OutputLog', () => {
  it('logs stdout at info and stderr at warn, with the id of the function', () => {
    const { output, lines } = setup()
    output.write('stdout', Buffer.from('fine\n'))
    output.write('stderr', Buffer.from('not so fine\n'))
    expect(lines).toMatchObject([
      { level: 'info', functionId: 'hello', stream: 'stdout', msg: 'fine' },
      { level: 'warn', functionId: 'hello', stream: 'stderr', msg: 'not so fine' },
    ])
  })

  it('logs the same lines wherever the output is cut, characters included', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme' })),
        fc.array(fc.nat(400)),
        (texts, cuts) => {
          const expected = texts.map(text => text.replace(/[\r\n]/g, ' '))
          const bytes = Buffer.from(expected.map(text => `${text}\n`).join(''))
          const { output, texts: logged } = setup({ burstLines: 1_000 })
          const borders = [0, ...cuts.filter(at => at < bytes.length).sort((a, b) => a - b)]
          borders.forEach((start, index) => {
            output.write('stdout', bytes.subarray(start, borders[index + 1] ?? bytes.length))
          })
          expect(logged()).toEqual(expected)
        },
      ),
    )
  })

  it('keeps the two streams apart', () => {
    const { output, texts } = setup()
    output.write('stdout', Buffer.from('out '))
    output.write('stderr', Buffer.from('err '))
    output.write('stdout', Buffer.from('put\r\n'))
    output.write('stderr', Buffer.from('or\n'))
    expect(texts()).toEqual(['out put', 'err or'])
  })

  it('cuts long lines and goes on with the next', () => {
    const { output, texts } = setup({ maxLineBytes: 4 })
    output.write('stdout', Buffer.from('123'))
    output.write('stdout', Buffer.from('45678'))
    output.write('stdout', Buffer.from('9\nnext one\n'))
    expect(texts()).toEqual(['1234', 'next'])
  })

  it('drops what is over the rate, and tells how much once a second', async () => {
    const { clock, output, texts, lines } = setup({ burstLines: 3, linesPerSecond: 2 })
    const print = (count: number) => output.write('stdout', Buffer.from('line\n'.repeat(count)))
    print(10)
    expect(texts()).toEqual(['line', 'line', 'line'])
    await clock.advance(1_000)
    expect(lines.at(-1)).toMatchObject({ level: 'warn', functionId: 'hello', dropped: 7 })
    print(5)
    expect(texts().filter(text => text === 'line')).toHaveLength(5)
    await clock.advance(1_000)
    expect(lines.at(-1)).toMatchObject({ dropped: 3 })
    await clock.advance(5_000)
    expect(lines).toHaveLength(7)
  })

  it('takes a flood of lines as a whole, and what follows its last one as the next', async () => {
    const { clock, output, texts, lines } = setup({ burstLines: 2, linesPerSecond: 1 })
    const asked = vi.spyOn(clock, 'now')
    output.write('stdout', Buffer.from(`${'\n'.repeat(100_000)}the `))
    // Each question is time that the host does not have for others.
    expect(asked.mock.calls.length).toBeLessThan(10)
    await clock.advance(1_000)
    expect(lines.at(-1)).toMatchObject({ dropped: 99_998 })
    output.write('stdout', Buffer.from('next\n'))
    expect(texts().at(-1)).toBe('the next')
  })

  it('logs the rest and the last count when it is closed, and nothing after', async () => {
    const { clock, output, lines } = setup({ burstLines: 1, linesPerSecond: 1 })
    output.write('stdout', Buffer.from('one\ntwo\n'))
    await clock.advance(500)
    output.write('stderr', Buffer.from('the rest'))
    output.close()
    output.close()
    output.write('stdout', Buffer.from('late\n'))
    await clock.advance(5_000)
    expect(lines).toMatchObject([{ msg: 'one' }, { dropped: 2 }])
  })
})
