import { describe, expect, it } from 'vitest'
import { engineError, isPortTaken } from '../../../src/executors/container/engine-error.ts'

describe('isPortTaken', () => {
  it.each([
    [
      'cannot listen on the TCP port: listen tcp4 127.0.0.1:46281: bind: address already in use',
      true,
    ],
    ['driver failed: Bind for 127.0.0.1:46281 failed: port is already allocated', true],
    ['no such image', false],
  ])('of an engine that says %j: %j', (message, expected) => {
    const error = engineError(new Error(message), 'start the container', '/run/engine.sock')
    expect(isPortTaken(error)).toBe(expected)
  })
})
