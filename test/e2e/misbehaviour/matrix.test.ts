import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { expect, it } from 'vitest'
import { matrixMarkdown } from './matrix-markdown.ts'

const PAGE = resolve(import.meta.dirname, '../../../docs/executors.md')

it('the documentation shows the matrix that the tests are made of', async () => {
  const page = await readFile(PAGE, 'utf8')
  const shown = /<!-- matrix -->\n(.*?)<!-- \/matrix -->/s.exec(page)?.[1]
  expect(shown).toBe(`${matrixMarkdown()}\n`)
})
