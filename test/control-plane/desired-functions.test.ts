import { expect, it } from 'vitest'
import type { Deployable } from '../../src/control-plane/deployment-target.ts'
import { DesiredFunctions } from '../../src/control-plane/desired-functions.ts'
import { runInSlices } from '../../src/routing/slices.ts'
import { RecordedLog } from './recorded-log.ts'

/** What a node wants of the function `a` with this entry, and what is wrong with it. */
async function desired(entry: object) {
  let wanted: Deployable | undefined
  const functions = new DesiredFunctions({
    node: { id: 'node-1', labels: {} },
    codeOf: ({ sha256, exportName }) => {
      return { kind: 'artifact', sha256, exportName, folder: '/cache', entry: '/cache/a.cjs' }
    },
    log: new RecordedLog(),
    want: (_, deployable) => {
      wanted = deployable
    },
    leave: () => {},
  })
  const stored = { value: JSON.stringify(entry), revision: '1' }
  await runInSlices(functions.takeInSteps([{ key: 'fezz/v1/functions/a', stored }], '1'))
  return { code: wanted?.code, problems: Array.from(functions.problems(), ([, text]) => text) }
}

it('an image needs no artifact: its manifest names it', async () => {
  const image = 'registry.example.com/team/a:1'
  expect(await desired({ manifest: { image } })).toEqual({
    code: { kind: 'image', image },
    problems: [],
  })
  expect(await desired({ manifest: { image, command: 'serve -v' } })).toEqual({
    code: { kind: 'image', image, command: ['serve', '-v'] },
    problems: [],
  })
})

it('an image beside an artifact is refused: which of them to run is anybody’s guess', async () => {
  const entry = { manifest: { image: 'a' }, code: { sha256: 'ab'.repeat(32) } }
  expect(await desired(entry)).toEqual({
    code: undefined,
    problems: ['fezz/v1/functions/a: code and manifest.image exclude each other; remove one'],
  })
})

it('code with a runtime or a command of its own, but no artifact, cannot be run', async () => {
  expect(await desired({ manifest: { runtime: 'python', command: 'python3 app.py' } })).toEqual({
    code: undefined,
    problems: ['function "a" has no artifact and no image; fezz apply makes an artifact'],
  })
})
