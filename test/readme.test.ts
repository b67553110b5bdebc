import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { STATUS_OF_CODE } from '../src/errors.ts'
import { type SettingRow, settingsTable } from '../src/runtime/settings.ts'

const root = resolve(import.meta.dirname, '..')
const readme = readFileSync(resolve(root, 'README.md'), 'utf8')

/** The rows of the table under a heading, without its two lines of header. */
function tableUnder(heading: string): string[] {
  const start = readme.indexOf(`\n## ${heading}\n`)
  if (start === -1) throw new Error(`README.md has no heading "${heading}"`)
  const section = readme.slice(start + 1).split('\n## ')[0] ?? ''
  const table = section.slice(section.search(/^\|/m)).split('\n\n')[0] ?? ''
  return table.split('\n').slice(2)
}

/** A vertical bar would end the cell, also inside of code. */
function row(...cells: readonly string[]): string {
  return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function code(text: string): string {
  return text === '' ? '–' : `\`${text}\``
}

function settingRow({ name, flag, placeholder, env, default: byDefault, description }: SettingRow) {
  const usage = placeholder === undefined ? flag : `${flag} ${placeholder}`
  return row(code(name), code(usage), code(env), code(byDefault), description)
}

/** What errors.ts says above each code. */
function meanings(): Map<string, string> {
  const source = readFileSync(resolve(root, 'src/errors.ts'), 'utf8')
  const found = source.matchAll(/\/\*\* ([^\n]+) \*\/\n {2}([A-Z_]+): \d+,/g)
  return new Map(Array.from(found, ([, meaning = '', name = '']) => [name, meaning]))
}

describe('README.md', () => {
  it('has the settings that there are, with their defaults', () => {
    expect(tableUnder('Settings')).toEqual(settingsTable().map(settingRow))
  })

  it('has the error codes that there are, with their statuses', () => {
    const meaningOf = meanings()
    const rows = Object.entries(STATUS_OF_CODE).map(([name, status]) =>
      row(code(name), String(status), meaningOf.get(name) ?? `${name} has no docstring`),
    )
    expect(tableUnder('Errors')).toEqual(rows)
  })

  it('names files that exist', () => {
    const links = Array.from(readme.matchAll(/\]\((?!https?:|#)([^)#]+)/g), ([, path = '']) => path)
    expect(links).not.toEqual([])
    for (const path of links) expect(() => readFileSync(resolve(root, path))).not.toThrow()
  })

  it('names files that the package has too, but for the benchmarks', () => {
    const { files } = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8')) as {
      readonly files: readonly string[]
    }
    const links = Array.from(readme.matchAll(/\]\((?!https?:|#)([^)#/]+)/g), ([, top = '']) => top)
    expect([...new Set(links)].filter(top => !files.includes(top))).toEqual(['bench'])
  })
})
