// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is Fezz that fills them in

import { join } from 'node:path'
import { createProject, type Files } from '../project.ts'

/** A runtime whose tool is Node, so that it is on every machine: `build.mjs` says what it does. */
const WORDS: Files = {
  'words/runtime.json': JSON.stringify({
    markers: ['words.txt'],
    weakMarkers: ['maybe.txt'],
    tool: { version: ['${node}', '-p', '"1.2\\n/home"'], missing: 'install Node' },
    leaveOut: ['out'],
    packages: {
      unless: 'vendor',
      of: ['words.lock', 'more/*.lock'],
      build: [['${node}', '${runtime}/packages.mjs', '${packages}']],
    },
    build: [['${node}', '${runtime}/build.mjs']],
    buildEnv: { inherit: ['WORDS_*'], set: { WORDS_FOLDER: '${folder}' } },
    command: ['${node}', '${runtime}/run.mjs', '${packages}'],
    reads: ['${home}'],
    env: { VERSION: '${version}' },
    container: { image: 'example.com/words:${version}', command: ['words'], env: {} },
  }),
  'words/packages.mjs': `
    import { writeFileSync } from 'node:fs'
    writeFileSync(process.argv[2] + '/made', String(Math.random()))`,
  'words/build.mjs': `
    import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
    if (existsSync('broken.txt')) {
      for (let line = 1; line <= 40; line++) console.error(process.cwd() + ': line ' + line)
      process.exit(1)
    }
    writeFileSync('built.json', JSON.stringify({ cwd: process.cwd(), env: process.env }))
    if (existsSync('arguments.txt')) {
      mkdirSync('.fezz')
      const words = readFileSync('arguments.txt', 'utf8').split(' ')
      writeFileSync('.fezz/arguments.json', JSON.stringify(words))
    }`,
}

/** A folder of runtimes with one called `words`, and others with the files of `more`. */
export async function wordsRuntime(more: Files = {}): Promise<string> {
  return createProject({ ...WORDS, ...more })
}

/** The same with the tool missing from the machine. */
export function withoutTool(): Files {
  const description = JSON.parse(WORDS['words/runtime.json'] as string)
  const tool = { version: [join('/nowhere', 'words')], missing: 'install the words' }
  return { 'words/runtime.json': JSON.stringify({ ...description, tool }) }
}
