import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { serve, temporaryFolder } from '../../helpers/cli.ts'
import { hasTool } from '../../loader/programs/running-program.ts'
import { expressApp, flaskTutorial, PROGRAMS_CACHE } from './frameworks.ts'

const HOST = { env: { FEZZ_CACHE_DIR: PROGRAMS_CACHE } }

describe.skipIf(!(await hasTool('python3')))(
  'an unmodified Flask app',
  { timeout: 180_000 },
  () => {
    it('runs behind a route: pages, forms, sessions and files', async () => {
      await using host = await serve([await flaskTutorial()], HOST)
      expect(await host.get('/hello')).toBe('Hello, World!')
      expect(await host.get('/auth/login')).toContain('<title>Log In - Flaskr</title>')
      expect(await host.get('/static/style.css')).toContain('font-family')
      const form = await host.fetch('/auth/register', {
        method: 'POST',
        body: new URLSearchParams({ username: '', password: 'x' }),
      })
      expect(await form.text()).toContain('Username is required.')
      const away = await host.fetch('/create', { redirect: 'manual' })
      expect([away.status, away.headers.get('location')]).toEqual([302, '/auth/login'])
      expect((await host.fetch('/nothing')).status).toBe(404)
      expect(await host.states()).toEqual({ flaskr: 'Ready' })
      expect(await host.stop()).toEqual({ code: 0, signal: null })
    })
  },
)

describe.skipIf(!(await hasTool('npm')))('an unmodified Express app', { timeout: 180_000 }, () => {
  it('runs behind a route: pages, routers, files and errors', async () => {
    await using host = await serve([await expressApp()], HOST)
    expect(await host.get('/')).toContain('Welcome to Express')
    expect(await host.get('/users')).toBe('respond with a resource')
    expect(await host.get('/stylesheets/style.css')).toContain('font:')
    const missing = await host.fetch('/nothing')
    expect([missing.status, await missing.text()]).toEqual([
      404,
      expect.stringContaining('<h1>Not Found</h1>'),
    ])
    expect(await host.states()).toEqual({ express: 'Ready' })
    expect(await host.stop()).toEqual({ code: 0, signal: null })
  })
})

describe.skipIf(!(await hasTool('python3')))('a program', { timeout: 120_000 }, () => {
  it('is swapped when its files change, and serves on while they do not build', async () => {
    const all = await temporaryFolder()
    const write = (path: string, text: string) => writeFile(join(all, 'hello', path), text)
    await mkdir(join(all, 'hello'))
    await write('fezz.json', '{ "env": { "NAME": "Ada" } }')
    await write(
      'app.py',
      'import os\ndef handler(request): return "Hello, " + os.environ["NAME"]\n',
    )
    await using host = await serve([all, '--watch'], HOST)
    expect(await host.get('/hello')).toBe('Hello, Ada')
    await write('app.py', 'def handler(request): return request.path\n')
    await expect.poll(() => host.get('/hello/x'), { timeout: 30_000 }).toBe('/hello/x')
    await write('fezz.json', '{ "evn": {} }')
    await host.line(({ level, msg }) => level === 'error' && msg.includes('did you mean "env"?'))
    expect(await host.get('/hello/y')).toBe('/hello/y')
    await write('fezz.json', '{ "protocol": "bootstrap", "command": "cat" }')
    await expect
      .poll(async () => JSON.parse(await host.get('/hello/z').catch(() => '{}')).path, {
        timeout: 30_000,
      })
      .toBe('/hello/z')
    expect(host.lines.filter(({ level }) => level === 'error')).toHaveLength(1)
  })
})

describe.skipIf(!(await hasTool('go')))(
  'a Go program that only prints',
  { timeout: 600_000 },
  () => {
    it('answers with what it prints, one run for each request', async () => {
      const all = await temporaryFolder()
      await mkdir(join(all, 'hello'))
      const files = {
        'go.mod': 'module example.com/hello\n\ngo 1.21\n',
        'fezz.json': '{ "protocol": "bootstrap" }',
        'main.go':
          'package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println("Hello, FaaS!")\n}\n',
      }
      for (const [name, text] of Object.entries(files))
        await writeFile(join(all, 'hello', name), text)
      await using host = await serve([all], HOST)
      expect(await host.get('/hello')).toContain('Hello, FaaS!')
      expect(await host.get('/hello/again')).toContain('Hello, FaaS!')
    })
  },
)

const TOOLS = await Promise.all(['python3', 'go', 'npm'].map(hasTool))
describe.skipIf(TOOLS.includes(false))(
  'the examples in other languages',
  { timeout: 600_000 },
  () => {
    it('answer as their README says', async () => {
      await using host = await serve(['examples/languages'], HOST)
      expect(JSON.parse(await host.get('/flask/users/7'))).toEqual({ id: 7 })
      expect(await host.get('/express')).toBe('Hello World!')
      const headers = { 'x-name': 'Alice' }
      expect(await (await host.fetch('/go-hello', { headers })).text()).toBe('Hello, Alice!')
    })
  },
)
