import type { Case } from './cases/case.ts'
import { cases } from './cases/index.ts'

/** A Workers module that answers `/case/<name>` with that case. */
export default {
  fetch(request: Request, _env: unknown, context: Parameters<Case['fetch']>[1]) {
    const name = decodeURIComponent(new URL(request.url).pathname.split('/')[2] ?? '')
    const found = cases.get(name)
    if (found === undefined) return new Response(`no case ${name}`, { status: 404 })
    return found.fetch(request, context)
  },
}
