import { writeSync } from 'node:fs'
import { FezzFunction } from 'fezz/decorators'

/** Tells its process, stays in it for ever, or holds it up. */
@FezzFunction('restless', '/restless/:how')
export class Restless {
  async fetch(request: Request): Promise<Response> {
    if (!request.url.endsWith('/pid')) {
      // Not by the host's log, whose lines go out at the end of a turn.
      writeSync(1, `${JSON.stringify({ level: 'info', msg: 'arrived' })}\n`)
    }
    if (request.url.endsWith('/loop')) turnForEver()
    if (request.url.endsWith('/promises')) await promiseForEver()
    if (request.url.endsWith('/wait')) waitForEver()
    return new Response(String(process.pid))
  }
}

function turnForEver(): never {
  for (;;) Math.random()
}

async function promiseForEver(): Promise<never> {
  for (;;) await null
}

/** No JavaScript runs meanwhile. */
function waitForEver(): void {
  process.getBuiltinModule('node:crypto').pbkdf2Sync('', '', 2 ** 31 - 1, 64, 'sha512')
}
