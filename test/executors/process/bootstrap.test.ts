import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { abortRequest, toIncoming } from '../../../src/http/web/incoming-request.ts'
import { isRunning } from './running.ts'
import { call, ProcessWorld, type Program, send } from './setup.ts'

/** A shell script that is run for each request. */
function script(text: string): Program {
  return {
    files: { bootstrap: `#!/bin/sh\n${text}\n` },
    command: ['./bootstrap'],
    protocol: 'bootstrap',
  }
}

const ECHO = `
import json, sys
request = json.load(sys.stdin)
print('to the log', file=sys.stderr)
json.dump({'status': 201, 'headers': {'x-a': ['1', '2'], 'content-type': 'application/json'},
           'body': json.dumps(request)}, sys.stdout)
`

describe('a program with the protocol bootstrap', () => {
  let world: ProcessWorld
  beforeAll(async () => {
    world = await ProcessWorld.open()
  })
  afterAll(() => world[Symbol.asyncDispose]())

  it('gets the request as JSON and answers with JSON', async () => {
    const instance = await world.load({
      files: { 'main.py': ECHO },
      command: ['python3', 'main.py'],
      protocol: 'bootstrap',
    })
    const response = await call(instance, '/a%20b?c=1&c=2&d=%20', {
      method: 'POST',
      headers: [
        ['X-Name', 'Alice'],
        ['content-type', 'text/plain'],
      ],
      body: 'Grüße',
    })
    expect(response.status).toBe(201)
    expect(response.headers.get('x-a')).toBe('1, 2')
    expect(await response.json()).toEqual({
      method: 'POST',
      url: 'http://localhost/a%20b?c=1&c=2&d=%20',
      path: '/a%20b',
      query: { c: ['1', '2'], d: ' ' },
      headers: { 'content-type': 'text/plain', 'x-name': 'Alice' },
      params: { name: 'value' },
      requestId: 'request-1',
      clientAddress: '192.0.2.1',
      body: 'Grüße',
      isBase64: false,
    })
    const line = { level: 'warn', functionId: 'program', stream: 'stderr', msg: 'to the log' }
    expect(world.lines).toContainEqual(expect.objectContaining(line))
  })

  it('gets and gives bytes as base64', async () => {
    const instance = await world.load({
      files: {
        'main.py': `
import json, sys
request = json.load(sys.stdin)
assert request['isBase64']
print(json.dumps({'status': 200, 'body': request['body'], 'isBase64': True}))
`,
      },
      command: ['python3', 'main.py'],
      protocol: 'bootstrap',
    })
    const bytes = Uint8Array.from([0, 255, 254, 10])
    const response = await call(instance, '/', { method: 'PUT', body: bytes })
    expect(await response.bytes()).toEqual(bytes)
  })

  it.each([
    ['text', `printf 'hi'`, 'text/plain;charset=UTF-8', 'hi'],
    ['other JSON', `echo '{"a": 1}'`, 'application/json', '{"a": 1}\n'],
    ['an object as the body', `echo '{"status": 200, "body": [1]}'`, 'application/json', '[1]'],
  ])('may answer with %s', async (_name, text, type, body) => {
    const response = await call(await world.load(script(text)))
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe(type)
    expect(await response.text()).toBe(body)
  })

  it.each([
    ['an exit code', 'echo why >&2; exit 3', /exit code 3\nwhy$/],
    ['a signal', 'kill -SEGV $$', /signal SIGSEGV/],
  ])('fails with %s, and the next run is its own', async (_name, text, message) => {
    const instance = await world.load(script(`if grep -q '"/ok"'; then echo ok; else ${text}; fi`))
    await expect(call(instance)).rejects.toMatchObject({
      code: 'FUNCTION_ERROR',
      message: 'the program failed',
      cause: { message: expect.stringMatching(message) },
    })
    expect(await (await call(instance, '/ok')).text()).toBe('ok\n')
  })

  it.each([
    '{"status": 99}',
    '{"status": 200, "headers": [["a", "b"]]}',
    '{"status": 200, "headers": "a: b"}',
    '{"status": 200, "headers": {"a": {"b": 1}}}',
    '{"status": 200, "headers": {"a": null}}',
  ])('fails with a response that cannot be sent: %s', async response => {
    const instance = await world.load(script(`echo '${response}'`))
    await expect(call(instance)).rejects.toMatchObject({ code: 'FUNCTION_ERROR' })
  })

  it('serves requests at once as runs at once', async () => {
    const instance = await world.load(script('echo $FEZZ_INSTANCE'))
    const names = await Promise.all(
      Array.from({ length: 5 }, async () => (await call(instance)).text()),
    )
    expect(new Set(names).size).toBe(5)
  })

  it('is ended with all that it has started when its request is aborted', async () => {
    const instance = await world.load(script('sleep 1000 & echo $! >&2; exec sleep 1000'))
    const request = toIncoming(new Request('http://localhost/'))
    const answer = expect(send(instance, request)).rejects.toThrow('too late')
    const pid = () => Number(world.lines.at(-1)?.['msg'])
    await expect.poll(() => isRunning(pid())).toBe(true)
    abortRequest(request, new DOMException('too late', 'TimeoutError'))
    await answer
    await expect.poll(() => isRunning(pid())).toBe(false)
  })

  it('may not write more than maxOutput', async () => {
    const instance = await world.load(script('yes'), { maxOutput: '1MiB' })
    await expect(call(instance)).rejects.toMatchObject({
      code: 'FUNCTION_ERROR',
      message: expect.stringContaining('maxOutput'),
    })
    await expect(call(instance)).rejects.toMatchObject({ code: 'FUNCTION_ERROR' })
  })

  it.each([
    ['missing', ['./nothing'], 'does not exist'],
    ['not executable', ['./data'], 'is not executable; chmod +x it'],
    ['not in PATH', ['fezz-no-such-program'], 'is not in PATH'],
  ])('fails to load when it is %s', async (_name, command, message) => {
    const deployment = world.deployment({ files: {}, command, protocol: 'bootstrap' })
    if (deployment.code.kind === 'program') writeFileSync(`${deployment.code.folder}/data`, '')
    await expect(world.executor.load(deployment)).rejects.toThrow(message)
  })

  it('ends its runs when it is unloaded, and takes no more', async () => {
    const instance = await world.load(script('echo started >&2; exec sleep 1000'))
    const answer = expect(call(instance)).rejects.toMatchObject({ code: 'INSTANCE_EXITED' })
    await expect.poll(() => world.lines.at(-1)?.['msg']).toBe('started')
    await Promise.all([instance.unload(), instance.unload()])
    await answer
    await expect(call(instance)).rejects.toMatchObject({ code: 'INSTANCE_EXITED' })
  })
})
