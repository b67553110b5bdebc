import { beforeEach, describe, expect, it } from 'vitest'
import { Pulse } from '../../../src/runtime/workers/pulse.ts'

const TIMEOUT_MS = 1_000

describe('a pulse', () => {
  let beats: number
  let pulse: Pulse
  beforeEach(() => {
    beats = 0
    pulse = new Pulse(() => beats, TIMEOUT_MS)
    pulse.look()
  })

  /** Looks as often as goes into this time. */
  const lookFor = (durationMs: number): boolean[] =>
    Array.from({ length: durationMs / pulse.intervalMs }, () => pulse.look())

  it('has stopped when it was the same for the whole timeout', () => {
    expect(lookFor(TIMEOUT_MS).indexOf(true)).toBe(TIMEOUT_MS / pulse.intervalMs - 1)
  })

  it('begins anew with each beat', () => {
    lookFor(TIMEOUT_MS * 0.9)
    beats++
    expect(lookFor(TIMEOUT_MS)).not.toContain(true)
  })

  it('goes on when the heart beats, however seldom it is looked at', () => {
    for (let looks = 0; looks < 100; looks++) {
      beats += looks
      expect(pulse.look()).toBe(looks === -1)
      beats++
    }
  })
})
