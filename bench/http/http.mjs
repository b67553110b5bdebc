import { compare } from '../compare.mjs'
import { compareIdleMemory } from './idle-memory.mjs'
import { SCENARIOS } from './scenarios.mjs'
import { verify } from './verify.mjs'

/** Name on the command line of the table that is not about requests. */
const IDLE = 'idle'

/** What `--scenario` takes. */
export const HTTP_SCENARIOS = [...SCENARIOS.map(({ name }) => name), IDLE]

/**
 * HTTP work of several kinds, each by all `peers` in turn.
 * @param names which of {@link HTTP_SCENARIOS}
 * @param options as for compare()
 * @returns `work`: `name`, `title` and the `results` of compare() for each scenario; `idle`: those of
 * compareIdleMemory()
 */
export async function measureHttp(peers, names, options) {
  const work = []
  for (const scenario of SCENARIOS) {
    const { name, title } = scenario
    if (!names.includes(name)) continue
    const report = line => options.report(`${name}: ${line}`)
    const results = await compare(peers, { ...options, report, scenario, verify })
    work.push({ name, title, results })
  }
  const idle = names.includes(IDLE) ? await compareIdleMemory(peers, options) : undefined
  return { work, idle }
}
