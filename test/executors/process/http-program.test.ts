import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { nextTick } from 'node:process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { abortRequest, toIncoming } from '../../../src/http/web/incoming-request.ts'
import { isRunning } from './running.ts'
import { call, ProcessWorld, type Program, send } from './setup.ts'

/** A Python server on PORT. */
const ON_PORT: Program = {
  files: {
    'main.py': `
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(('port ' + self.path).encode())
print('listening', os.getpid(), flush=True)
HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
`,
  },
  command: ['python3', 'main.py'],
}

/** A Node server on FEZZ_SOCKET. */
function onSocket(handler: string, more = ''): Program {
  const text = `
    const server = require('node:http').createServer((request, response) => { ${handler} })
    ${more}
    server.listen(process.env.FEZZ_SOCKET)
  `
  return { files: { 'main.cjs': text }, command: [process.execPath, './main.cjs'] }
}

describe('a program with the protocol http', () => {
  let world: ProcessWorld
  beforeAll(async () => {
    world = await ProcessWorld.open()
  })
  afterAll(() => world[Symbol.asyncDispose]())

  it('serves on PORT', async () => {
    const instance = await world.load(ON_PORT)
    expect(await (await call(instance, '/a?b')).text()).toBe('port /a?b')
    const pid = Number(/\d+/.exec(String(world.lines.find(line => line['stream'])?.['msg']))?.[0])
    expect(isRunning(pid)).toBe(true)
    await instance.unload()
    expect(isRunning(pid)).toBe(false)
  })

  it('serves on FEZZ_SOCKET, and streams', async () => {
    const instance = await world.load(onSocket('request.pipe(response)'))
    const response = await call(instance, '/', { method: 'POST', body: 'body' })
    expect(await response.text()).toBe('body')
  })

  it('fails to load when it ends before it serves, with its last words in the cause', async () => {
    const program = { files: {}, command: ['sh', '-c', 'echo no luck >&2; exit 7'] }
    await expect(world.load(program)).rejects.toMatchObject({
      code: 'FUNCTION_LOAD_FAILED',
      cause: { message: expect.stringMatching(/exit code 7\nno luck$/) },
    })
  })

  it('fails to load when it never serves, and is ended', async () => {
    await using hasty = await ProcessWorld.open({ loadTimeoutMs: 200 })
    const program = { files: {}, command: ['sh', '-c', 'echo $$; exec sleep 1000'] }
    await expect(hasty.load(program)).rejects.toMatchObject({ code: 'FUNCTION_TIMEOUT' })
    expect(isRunning(Number(hasty.lines[0]?.['msg']))).toBe(false)
  })

  it('is told where to listen when it listens elsewhere', async () => {
    await using hasty = await ProcessWorld.open({ loadTimeoutMs: 1_500 })
    const text = `require('node:http').createServer().listen(0, function () {
      console.log(this.address().port)
    })`
    const program = { files: { 'main.cjs': text }, command: [process.execPath, './main.cjs'] }
    const failure: Error = await hasty.load(program).then(
      () => expect.unreachable(),
      e => e,
    )
    const port = hasty.lines.find(line => line['stream'] === 'stdout')?.['msg']
    expect(failure.message).toMatch(new RegExp(`listens on port ${port}: .* handlerPort: ${port}$`))
  })

  it('is not taken for whoever else has its port', async () => {
    const other = createServer((_, response) => response.end('other')).listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const program: Program = {
      files: {
        'main.cjs': `setTimeout(() => {
          require('node:http').createServer().listen(process.env.PORT, '127.0.0.1')
        }, 300)`,
      },
      command: [process.execPath, './main.cjs'],
    }
    await expect(world.load(program, { handlerPort: port })).rejects.toMatchObject({
      code: 'FUNCTION_LOAD_FAILED',
      cause: { message: expect.stringContaining('EADDRINUSE') },
    })
    other.close()
  })

  it('is not started any more when the executor is closed before, at whatever moment', async () => {
    for (let turns = 0; turns < 6; turns++) {
      await using closing = await ProcessWorld.open()
      const loading = closing.load({ files: {}, command: ['sleep', '60'] }).catch(error => error)
      for (let turn = 0; turn < turns; turn++) await new Promise<void>(nextTick)
      await closing.executor.close()
      // What was under way comes to its end without having to be waited for.
      expect(await loading).toMatchObject({ code: expect.stringMatching(/DRAINING|LOAD_FAILED/) })
      expect(readdirSync(closing.runFolder.path)).toEqual([])
    }
  })

  it('gets another port when its own was taken meanwhile', async () => {
    const taken = 'require("fs").existsSync("../taken")'
    const handler = 'response.end("fine")'
    const instance = await world.load(
      onSocket(
        handler,
        `if (!${taken}) {
          require("fs").writeFileSync("../taken", "")
          throw new Error("listen EADDRINUSE")
        }`,
      ),
    )
    expect(await (await call(instance)).text()).toBe('fine')
  })

  it('tells of its death, and of its last words', async () => {
    const instance = await world.load(
      onSocket('console.error("farewell"); process.kill(process.pid, "SIGSEGV")'),
    )
    await expect(call(instance)).rejects.toMatchObject({ code: 'INSTANCE_EXITED' })
    expect(await instance.exited).toMatchObject({
      reason: 'crash',
      cause: { message: expect.stringMatching(/signal SIGSEGV\nfarewell$/) },
    })
    await instance.unload()
    await instance.unload()
  })

  it('is asked to end, and ended when it does not', async () => {
    const stubborn = onSocket(
      'response.end(String(process.pid))',
      'process.on("SIGTERM", () => {})',
    )
    const polite = onSocket(
      'response.end()',
      'process.on("SIGTERM", () => { console.log("goodbye"); process.exit() })',
    )
    const [first, second] = await Promise.all([world.load(stubborn), world.load(polite)])
    const pid = Number(await (await call(first)).text())
    await Promise.all([first.unload(), second.unload(), second.unload()])
    expect(isRunning(pid)).toBe(false)
    expect(world.lines).toContainEqual(expect.objectContaining({ msg: 'goodbye' }))
  })

  it('is ended when it is stuck after a deadline, and not when it is only slow', async () => {
    const instance = await world.load(
      onSocket('if (request.url === "/stuck") for (;;); if (request.url === "/") response.end()'),
    )
    let hasExited = false
    void instance.exited.then(() => {
      hasExited = true
    })
    const missDeadline = async (target: string) => {
      const request = toIncoming(new Request(`http://localhost${target}`))
      const answer = expect(send(instance, request)).rejects.toThrow('late')
      // The program must have it before it is given up.
      await new Promise(resolve => setTimeout(resolve, 100))
      abortRequest(request, new DOMException('late', 'TimeoutError'))
      await answer
    }
    await missDeadline('/slow')
    expect((await call(instance)).status).toBe(200)
    expect(hasExited).toBe(false)
    await missDeadline('/stuck')
    expect(await instance.exited).toMatchObject({ reason: 'killed' })
  })

  it('may not answer with more than maxOutput, and goes on', async () => {
    const instance = await world.load(
      onSocket('response.end("x".repeat(request.url === "/much" ? 2e6 : 10))'),
      { maxOutput: '1MiB' },
    )
    await expect(call(instance, '/much').then(response => response.text())).rejects.toThrow()
    expect(await (await call(instance, '/little')).text()).toBe('x'.repeat(10))
  })
})
