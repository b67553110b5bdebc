import { BackgroundService, type Command } from './background-service.ts'

/** What one writes for a new service, at its smallest: an HTTP server that says `here`. */
export class LittleServer extends BackgroundService {
  readonly name = 'little'
  protected readonly portCount = 1
  readonly #before: string

  /** @param before code that its process runs first */
  constructor(before = '') {
    super()
    this.#before = before
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`
  }

  protected command(): Command {
    const serve = `require('http').createServer((_, answer) => answer.end('here'))`
    const code = `${this.#before}; ${serve}.listen(${this.port}, '127.0.0.1')`
    return { program: process.execPath, args: ['--eval', code] }
  }

  protected async isReady(): Promise<boolean> {
    return (await fetch(this.endpoint)).ok
  }
}
