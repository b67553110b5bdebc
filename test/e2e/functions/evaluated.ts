import { appendFileSync } from 'node:fs'
import { FezzFunction } from 'fezz/decorators'

// Leaves a mark each time that the module is evaluated.
appendFileSync(process.env['EVALUATIONS'] as string, 'x')

@FezzFunction('evaluated', '/evaluated')
export class Evaluated {
  fetch(): Response {
    return new Response('evaluated')
  }
}
