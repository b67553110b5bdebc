import { expect, it } from 'vitest'
import { PrintedFrames } from '../../../src/executors/container/printed-frames.ts'

function frame(stream: number, text: string): Buffer {
  const head = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0])
  head.writeUInt32BE(Buffer.byteLength(text), 4)
  return Buffer.concat([head, Buffer.from(text)])
}

it.each([1, 3, 8, 13, 1_000])('frames come apart however they are cut: by %i bytes', size => {
  const all = Buffer.concat([
    frame(1, 'one\n'),
    frame(2, 'zwölf\n'),
    frame(1, ''),
    frame(1, 'x'.repeat(300)),
  ])
  const printed = { stdout: '', stderr: '' }
  const frames = new PrintedFrames((stream, bytes) => {
    printed[stream] += bytes.toString('latin1')
  })
  for (let at = 0; at < all.length; at += size) frames.push(all.subarray(at, at + size))
  expect(printed.stdout).toBe(`one\n${'x'.repeat(300)}`)
  expect(Buffer.from(printed.stderr, 'latin1').toString()).toBe('zwölf\n')
})
