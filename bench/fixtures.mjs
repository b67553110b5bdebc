import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout; `dist` is in it once `npm run build` has run. */
export const projectFolder = dirname(dirname(fileURLToPath(import.meta.url)))

// Inside the project, outside bench/: there `fezz/decorators` means this very package.
const generatedFolder = join(projectFolder, '.fezz', 'bench')

/** Writes generated functions anew, beside an empty cache: `{ functions, cache }`, two folders. */
function write(name, files) {
  const folder = join(generatedFolder, name)
  const functions = join(folder, 'functions')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(functions, { recursive: true })
  for (const [file, source] of Object.entries(files)) writeFileSync(join(functions, file), source)
  return { functions, cache: join(folder, 'cache') }
}

/** 999 routes beside /hello, of the three kinds in turn. */
const OTHERS = `import { FezzFunction } from 'fezz/decorators'

const kinds = ['/list', '/items/:id', '/files/*']
const routes = Array.from({ length: 999 }, (_, index) => \`/service-\${index}\${kinds[index % 3]}\`)

@FezzFunction({ id: 'others', routes })
export class Others {
  fetch() {
    return new Response('others')
  }
}
`

const HELLO = `import { FezzFunction } from 'fezz/decorators'

@FezzFunction('hello', '/hello')
export class Hello {
  fetch(request: Request) {
    return new Response('Hello, World!')
  }
}
`

// `Response` in a function is Fezz's own; code made by Function sees the platform's.
const HELLO_GLOBAL = `import { FezzFunction } from 'fezz/decorators'

const PlatformResponse = Function('return Response')() as typeof Response

@FezzFunction('hello', '/hello')
export class Hello {
  fetch(request: Request) {
    return new PlatformResponse('Hello, World!')
  }
}
`

const ECHO = `import { FezzFunction } from 'fezz/decorators'

@FezzFunction({ id: 'echo', path: '/echo', method: 'POST' })
export class Echo {
  async fetch(request: Request) {
    return new Response(await request.arrayBuffer(), {
      headers: { 'content-type': 'application/octet-stream' },
    })
  }
}
`

const JSON_ANSWER = `import { FezzFunction } from 'fezz/decorators'

@FezzFunction('json', '/json')
export class Json {
  fetch(request: Request) {
    return Response.json({ message: 'Hello, World!' })
  }
}
`

/** A table of 1,000 routes, /hello among them. */
export function helloFunctions() {
  return write('hello', { 'hello.ts': HELLO, 'others.ts': OTHERS })
}

/** The same, to be put into a store. */
export function helloStoreFunctions() {
  return write('hello-store', { 'hello.ts': HELLO, 'others.ts': OTHERS })
}

/** The same, answering with the platform's Response class. */
export function helloGlobalFunctions() {
  return write('hello-global', { 'hello.ts': HELLO_GLOBAL, 'others.ts': OTHERS })
}

/** The same with /echo, which sends a body back, and /json. */
export function httpFunctions() {
  return write('http', {
    'hello.ts': HELLO,
    'echo.ts': ECHO,
    'json.ts': JSON_ANSWER,
    'others.ts': OTHERS,
  })
}

/** `count` functions of about 60 KB each, no two alike: /big-0, /big-1, ... */
export function bigFunctions(count) {
  const files = Array.from({ length: count }, (_, index) => [`big-${index}.mjs`, big(index)])
  return write('big', Object.fromEntries(files))
}

/** Stays about 60 KB after bundling: every part can be reached from fetch. */
function big(index) {
  const parts = Array.from(
    { length: 225 },
    (_, part) => `  function step${part}(input, options = {}) {
    const { limit = ${part + index}, label = 'big-${index}-${part}' } = options
    const words = String(input).split(/\\s+/).filter(word => word.length > ${part % 7})
    return words.slice(0, limit).map(word => word + ':' + label).join(' ')
  },
`,
  ).join('')
  return `const steps = [
${parts}]

export const manifest = { id: 'big-${index}', path: '/big-${index}' }

export default {
  fetch(request) {
    const step = steps[request.url.length % steps.length]
    return new Response(step('load me again and again'))
  },
}
`
}

/** `count` small functions in files of their own: /small-0, /small-1, ... */
export function smallFunctions(count) {
  const files = Array.from({ length: count }, (_, index) => [
    `small-${index}.mjs`,
    `export const manifest = { id: 'small-${index}', path: '/small-${index}' }

export default {
  fetch() {
    return new Response('small ${index}')
  },
}
`,
  ])
  return write('small', Object.fromEntries(files))
}

/** 10,000 routes as 100 functions of 100, in one file. /hello is not among them. */
export function tenThousandRoutesFunctions() {
  const functions = Array.from(
    { length: 100 },
    (_, index) => `
@FezzFunction({ id: 'part-${index}', routes: routesOf(${index}) })
export class Part${index} {
  fetch() {
    return new Response('part ${index}')
  }
}
`,
  ).join('')
  return write('routes', {
    'routes.ts': `import { FezzFunction } from 'fezz/decorators'

const kinds = ['/list', '/items/:id', '/files/*']
const routesOf = (part: number) =>
  Array.from({ length: 100 }, (_, index) => \`/part-\${part}/service-\${index}\${kinds[index % 3]}\`)
${functions}`,
  })
}
