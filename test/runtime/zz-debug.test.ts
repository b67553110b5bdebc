import fc from 'fast-check'
import { it } from 'vitest'
import { writeSync } from 'node:fs'
import { World } from './host-world.ts'
import { run } from './host.property.test.ts'
it('x', async () => {
  for (const commands of fc.sample(run, { numRuns: 20, seed: 1 })) {
    ;(globalThis as any).dbg = 0; const t = performance.now()
    writeSync(2, `${commands.length} `)
    await Promise.race([new World().run(commands as never), new Promise(r => setTimeout(r, 3000))])
    const ms = performance.now() - t
    writeSync(2, `${ms.toFixed(0)}\n`)
    if (ms > 2900) { writeSync(2, JSON.stringify(commands) + '\n'); break }
  }
}, 60000)
