import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ProgramCode } from '../../../src/function/contract.ts'
import { buildApp, buildFolder, hasTool, RunningProgram } from './running-program.ts'

const MODULE = { 'go.mod': 'module example.com/app\n\ngo 1.21\n' }
const HANDLER = `package app

import (
	"fmt"
	"net/http"
)

func Handler(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(201)
	fmt.Fprint(w, r.Method, " ", r.URL.Path)
}
`

describe.skipIf(!(await hasTool('go')))('the runtime go', { timeout: 600_000 }, () => {
  it('serves a package that exports a Handler, and ends when it is told', async () => {
    const program = await RunningProgram.of({ ...MODULE, 'app.go': HANDLER })
    expect(await program.fetch('/a', { method: 'POST' })).toMatchObject({
      status: 201,
      body: 'POST /a',
    })
    expect(await program.stop()).toEqual({ code: 0, signal: null })
  })

  it('calls the hooks that there are', async () => {
    const hooks = `
func OnLoad() { fmt.Println("loaded") }

func OnUnload() { fmt.Println("unloaded") }
`
    const program = await RunningProgram.of({ ...MODULE, 'app.go': HANDLER + hooks })
    expect(await program.stop()).toEqual({ code: 0, signal: null })
    expect(program.output).toBe('loaded\nunloaded\n')
  })

  it('runs a main program as it is', async () => {
    const main = `package main

import (
	"net"
	"net/http"
	"os"
)

func main() {
	listener, err := net.Listen("unix", os.Getenv("FEZZ_SOCKET"))
	if err != nil {
		panic(err)
	}
	http.Serve(listener, http.NotFoundHandler())
}
`
    const program = await RunningProgram.of({ ...MODULE, 'main.go': main })
    expect((await program.fetch('/')).status).toBe(404)
  })

  it('builds a program that prints one answer for the protocol bootstrap', async () => {
    const code = (await buildApp({
      ...MODULE,
      'fezz.json': '{ "protocol": "bootstrap" }',
      'main.go':
        'package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println("Hello, FaaS!")\n}\n',
    })) as ProgramCode
    expect(code.protocol).toBe('bootstrap')
    const { stdout } = spawnSync(resolve(code.folder, code.command[0] as string), {
      encoding: 'utf8',
    })
    expect(stdout).toBe('Hello, FaaS!\n')
  })

  it('shows the mistakes that the compiler finds', async () => {
    const messages = (await buildApp({
      ...MODULE,
      'app.go': `${HANDLER}\nvar x int = "a"`,
    })) as string[]
    expect(messages).toEqual([
      expect.stringMatching(
        /^\/app: runtime go cannot build it:\n(?:.*\n)*.*app\.go:\d+:\d+: cannot use "a"/,
      ),
    ])
  })

  it('says what is missing from a package without a Handler', async () => {
    const messages = await buildApp({ ...MODULE, 'app.go': 'package app\n' })
    expect(messages).toEqual([
      expect.stringContaining(
        '/app: runtime go cannot build it:\n  package app is not main and has no func Handler(http.ResponseWriter, *http.Request)\n',
      ),
    ])
  })

  it('builds the example', async () => {
    const folder = resolve(import.meta.dirname, '../../../examples/languages/go-hello')
    const program = await RunningProgram.start((await buildFolder(folder)) as ProgramCode)
    const answer = await program.fetch('/', { headers: { 'x-name': 'Ada' } })
    expect(answer.body).toBe('Hello, Ada!')
  })
})
