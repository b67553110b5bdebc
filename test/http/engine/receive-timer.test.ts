import { beforeEach, describe, expect, it, vi } from 'vitest'
import { ReceiveTimer } from '../../../src/http/engine/receive-timer.ts'
import { RequestBody } from '../../../src/http/engine/request-body.ts'
import { Wheel } from '../../../src/http/engine/wheel.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { LISTENER_DEFAULTS } from '../listener-defaults.ts'

const OPTIONS = {
  ...LISTENER_DEFAULTS,
  requestTimeoutMs: 6_000,
  fetch: () => new Response(),
}
const FLOW = { flow() {}, sendContinue() {} }

/** A body that somebody reads. */
function wantedBody(): RequestBody {
  const body = new RequestBody(FLOW, 1_000_000, 1_000_000, false)
  body.bytes().catch(() => {})
  return body
}

describe('ReceiveTimer', () => {
  const receiver = {
    onIdle: vi.fn(),
    onLate: vi.fn(),
    onReaderStopped: vi.fn(),
    onLingered: vi.fn(),
  }
  let clock: FakeClock
  let timer: ReceiveTimer

  beforeEach(() => {
    vi.resetAllMocks()
    clock = new FakeClock()
    timer = new ReceiveTimer(new Wheel(50, clock), OPTIONS, receiver)
  })

  it('gives each of two bodies that follow each other at once the whole time', async () => {
    timer.beginBody()
    const first = wantedBody()
    timer.body(first, false)
    first.receive(Buffer.alloc(100_000))
    await clock.advance(4_000)
    timer.beginBody()
    const second = wantedBody()
    timer.body(second, false)
    await clock.advance(4_500)
    expect(receiver.onLate).not.toHaveBeenCalled()
    second.receive(Buffer.alloc(100_000))
    await clock.advance(1_000)
    expect(receiver.onLate).not.toHaveBeenCalled()
    await clock.advance(1_000)
    expect(receiver.onLate).toHaveBeenCalledOnce()
  })
})
