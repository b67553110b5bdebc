import { parseArgs } from 'node:util'
import { run } from './run.ts'
import { showReport } from './table.ts'

/**
 * `node test/fuzz/http/cli.ts --requests 1000000 --seed 1`: compares the engine's parser with node's.
 * `--first N` begins at connection N, as a failure names it.
 */
const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    first: { type: 'string', default: '0' },
  },
})

const started = performance.now()
const report = await run(Number(values.requests), Number(values.seed), Number(values.first))
const seconds = ((performance.now() - started) / 1_000).toFixed(0)
console.log(`node ${process.version}, seed ${values.seed}, ${seconds} s.`)
console.log(showReport(report))
for (const { stream, why, text } of report.failures) {
  console.log(`\nseed ${values.seed}, connection ${stream}: ${why}\n${JSON.stringify(text)}`)
}
if (report.failures.length > 0) process.exitCode = 1
