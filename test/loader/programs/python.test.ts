import { describe, expect, it } from 'vitest'
import type { ProgramCode } from '../../../src/function/contract.ts'
import { buildApp, hasTool, RunningProgram } from './running-program.ts'

const DECLARED = { 'fezz.json': '{}' }
/** What every handler of these tests has beside its body. */
const hooks = (kind: '' | 'async ') => `
${kind}def on_load():
    print("loaded")

${kind}def on_unload():
    print("unloaded")
`

describe.skipIf(!(await hasTool('python3')))('the runtime python', { timeout: 120_000 }, () => {
  describe.each(['', 'async '] as const)('serves a handler: %sdef', kind => {
    const start = (body: string) =>
      RunningProgram.of({
        ...DECLARED,
        'handler.py': `${hooks(kind)}\n${kind}def handler(request):\n    ${body}\n`,
      })

    it('with all of its request', async () => {
      const program = await start(
        'return [request.method, request.url, request.path, request.query, request.queries["b"],' +
          ' request.headers["X-NAME"], request.params, request.request_id, request.json()]',
      )
      const { status, headers, body } = await program.fetch('/a%20b?a=1&b=2&b=3', {
        method: 'POST',
        headers: {
          host: 'example.com',
          'x-name': 'Ada',
          'x-forwarded-proto': 'https',
          'x-fezz-params': '{"id":"\\u00e9"}',
          'x-request-id': 'r1',
        },
        body: '{"n":1}',
      })
      expect([status, headers['content-type']]).toEqual([200, 'application/json'])
      expect(JSON.parse(body)).toEqual([
        'POST',
        'https://example.com/a%20b?a=1&b=2&b=3',
        '/a b',
        { a: '1', b: '3' },
        ['2', '3'],
        'Ada',
        { id: 'é' },
        'r1',
        { n: 1 },
      ])
    })

    it.each<[string, number, string, string | undefined]>([
      ['return "é"', 200, 'é', 'text/plain; charset=utf-8'],
      ['return b"raw"', 200, 'raw', 'application/octet-stream'],
      ['return {"a": 1}', 200, '{"a": 1}', 'application/json'],
      ['return None', 204, '', undefined],
      ['return 404, "no"', 404, 'no', 'text/plain; charset=utf-8'],
      ['return 201, {"Content-Type": "text/css"}, "a{}"', 201, 'a{}', 'text/css'],
      ['return request.text().upper()', 200, 'BODY', 'text/plain; charset=utf-8'],
      ['raise KeyError("secret")', 500, 'Internal Server Error', undefined],
    ])('that does: %s', async (body, status, text, type) => {
      const program = await start(body)
      const answer = await program.fetch('/', { method: 'POST', body: 'body' })
      expect(answer).toMatchObject({ status, body: expect.stringContaining(text) })
      expect(answer.body).not.toContain('secret')
      if (status !== 500) expect(answer.headers['content-type']).toBe(type)
      else expect(program.output).toContain("KeyError: 'secret'")
    })

    it('between its hooks, and ends when it is told', async () => {
      const program = await start('print("called"); return "ok"')
      await program.fetch('/')
      expect(await program.stop()).toEqual({ code: 0, signal: null })
      expect(program.output).toMatch(/^loaded\n(?:called\n)+unloaded\n$/)
    })
  })

  it.each<[string, string, Record<string, string>]>([
    [
      'a WSGI app',
      'app.py',
      {
        'app.py':
          'def app(environ, start_response):\n    start_response("200 OK", [])\n    return [b"found"]\n',
      },
    ],
    [
      'an ASGI app',
      'main.py',
      {
        'main.py':
          'async def app(scope, receive, send):\n' +
          '    if scope["type"] != "http": return\n' +
          '    await send({"type": "http.response.start", "status": 200, "headers": []})\n' +
          '    await send({"type": "http.response.body", "body": b"found"})\n',
      },
    ],
    [
      'a factory of a package',
      'shop/__init__.py',
      {
        'shop/__init__.py':
          'from .parts import answer\n' +
          'def create_app():\n' +
          '    def app(environ, start_response):\n' +
          '        start_response("200 OK", [])\n' +
          '        return [answer]\n' +
          '    return app\n',
        'shop/parts.py': 'answer = b"found"\n',
        'tests/__init__.py': 'raise SystemExit("not this one")\n',
      },
    ],
    [
      'the only module, whatever its name',
      'hello.py',
      { 'hello.py': 'def handler(request): return "found"\n' },
    ],
    [
      'modules of any name',
      'app.py',
      {
        'app.py':
          'import serving, request as mine\ndef handler(request): return serving.found + mine.rest\n',
        'serving.py': 'found = "fou"\n',
        'request.py': 'rest = "nd"\n',
      },
    ],
  ])('finds %s in %s', async (_, __, files) => {
    const program = await RunningProgram.of({
      ...DECLARED,
      ...files,
      'requirements.txt': '',
    })
    expect(await program.fetch('/')).toMatchObject({ status: 200, body: 'found' })
    expect(await program.stop()).toEqual({ code: 0, signal: null })
  })

  it('serves what FEZZ_ENTRY names', async () => {
    const files = {
      'requirements.txt': '',
      'app.py': 'def handler(request): return "other"\ndef wanted(request): return "wanted"\n',
    }
    const program = await RunningProgram.of(files, { FEZZ_ENTRY: 'app:wanted' })
    expect((await program.fetch('/')).body).toBe('wanted')
    await expect(RunningProgram.of(files, { FEZZ_ENTRY: 'app:gone' })).rejects.toThrow(
      'FEZZ_ENTRY is "app:gone", but app has nothing of that name to serve',
    )
  })

  it('says what it has looked for when there is nothing', async () => {
    const files = { 'requirements.txt': '', 'app.py': 'x = 1\n' }
    await expect(RunningProgram.of(files)).rejects.toThrow(
      'nothing to serve was found (app looked at): write handler(request), app or create_app() in app.py',
    )
    const several = {
      'requirements.txt': '',
      'one.py': 'def handler(request): return "one"\n',
      'two.py': 'raise SystemExit("not this one")\n',
    }
    await expect(RunningProgram.of(several)).rejects.toThrow('found (no module looked at): write')
  })

  it('lets requirements.txt include other files that are called so', async () => {
    const program = await RunningProgram.of({
      'requirements.txt': '-r requirements/base.txt\n-c constraints-ci.txt\n',
      'requirements/base.txt': '-r ../requirements-more.txt\n',
      'requirements-more.txt': '# nothing\n',
      'constraints-ci.txt': '# nothing\n',
      'app.py': 'def handler(request): return "built"\n',
    })
    expect((await program.fetch('/')).body).toBe('built')
  })

  it('installs what requirements.txt asks for; its scripts run from where they are', async () => {
    const program = await RunningProgram.of({
      'requirements.txt': 'flask==3.1.3\n',
      'app.py':
        'from flask import Flask, request\nimport subprocess\napp = Flask(__name__)\n' +
        '@app.get("/a/<name>")\ndef a(name): return f"{request.scheme} {request.remote_addr} {name}"\n' +
        '@app.get("/version")\ndef version(): return subprocess.check_output(["flask", "--version"])\n',
    })
    const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.9' }
    expect((await program.fetch('/a/b', { headers })).body).toBe('https 203.0.113.9 b')
    expect((await program.fetch('/version')).body).toContain('Flask 3.1.3')
  })

  it('does not build what pip cannot find, and says so', async () => {
    const messages = (await buildApp({ 'requirements.txt': 'flask==0.0.0\n' })) as string[]
    expect(messages).toEqual([
      expect.stringMatching(
        /^\/app: runtime python cannot build it:\n(?:.*\n)*.*No matching distribution found/,
      ),
    ])
  })

  it('installs once for all functions that ask for the same', async () => {
    const builds = await Promise.all(
      ['a', 'b'].map(text => buildApp({ 'requirements.txt': '', 'app.py': `x = "${text}"` })),
    )
    const [a, b] = builds as ProgramCode[]
    expect(a?.folder).not.toBe(b?.folder)
    expect(a?.command).toEqual(b?.command)
  })
})
