import { basename, dirname, relative, sep } from 'node:path'
import {
  type BuildFailure,
  type BuildOptions,
  build,
  type Loader,
  type Plugin,
  stop,
} from 'esbuild'
import { type BuildMessage, buildFailed, describeMessage } from './build-error.ts'
import { SOURCE } from './discover.ts'
import { type InputStamp, readStamped } from './inputs.ts'
import {
  GLOBALS_PARAMETER,
  META_PARAMETER,
  META_VARIABLE,
  PROVIDED_MODULES,
  SHADOWED_GLOBALS,
} from './shadowed.ts'

/** What one entry file became. */
export interface Bundle {
  /** CommonJS; the same bytes for the same sources, whatever folder or machine they are on. */
  readonly code: string
  /** Source map, version 3; its sources are relative to the entry's folder. */
  readonly map: string
  /** What the author should know, each with its place. None from installed packages. */
  readonly warnings: readonly string[]
}

/**
 * Bundles a source file and what it imports, with npm packages, JSON, text, bytes and WebAssembly.
 * What stays outside: `node:` modules, addons (`.node`), and `fezz` itself.
 *
 * @param entry absolute path of the source
 * @param name what the function's default id is made of; part of the bundle, so that its sha256
 *   covers everything its manifest depends on
 * @param inputs receives what was read, also when the build fails
 * @throws FezzError `BUILD_FAILED` with the place of each mistake
 */
export async function bundle(
  entry: string,
  name: string,
  inputs: Map<string, InputStamp>,
): Promise<Bundle> {
  const folder = dirname(entry)
  running += 1
  clearTimeout(stopping)
  try {
    const { outputFiles, warnings, metafile } = await build({
      ...OPTIONS,
      absWorkingDir: folder,
      entryPoints: [`./${basename(entry)}`],
      banner: { js: `// ${name.replace(/\s/g, ' ')}` },
      plugins: [sources(folder, inputs)],
    })
    const textOf = (ending: string) => outputFiles.find(file => file.path.endsWith(ending))?.text
    // ES modules are strict, and CommonJS modules need not stand it: with one of these in the bundle
    // all of it is sloppy. Line 1 is the banner, so that no place in the map moves.
    const strict = Object.values(metafile.inputs).every(input => input.format !== 'cjs')
    return {
      code: (strict ? '"use strict"' : '') + textOf('.cjs'),
      map: textOf('.map') as string,
      warnings: warnings.map(warning => describeMessage(warning, folder)),
    }
  } catch (error) {
    const messages: readonly BuildMessage[] = (error as Partial<BuildFailure>).errors ?? []
    throw buildFailed(entry, messages, folder, error)
  } finally {
    running -= 1
    if (running === 0) stopping = setTimeout(stop, LINGER_MS).unref()
  }
}

/**
 * esbuild has one process for all builds, which would stay for the life of the host. It is ended
 * when no build has come for this long; the next one starts it again.
 */
const LINGER_MS = 1000
let running = 0
let stopping: NodeJS.Timeout | undefined

/** As on workerd, where it has one; Wrangler's defaults for the rest. */
const LOADERS: Readonly<Record<string, Loader>> = {
  '.txt': 'text',
  '.html': 'text',
  '.sql': 'text',
  '.md': 'text',
  '.css': 'text',
}

/** Import attributes, `import x from './x' with { type: 'text' }`. */
const LOADERS_OF_TYPE: Readonly<Record<string, Loader>> = {
  text: 'text',
  bytes: 'binary',
  json: 'json',
}

const OPTIONS = {
  bundle: true,
  write: false,
  outfile: 'bundle.cjs',
  format: 'cjs',
  platform: 'node',
  target: 'node24',
  jsx: 'automatic',
  keepNames: true,
  sourcemap: 'external',
  sourcesContent: false,
  metafile: true,
  charset: 'utf8',
  logLevel: 'silent',
  loader: LOADERS,
  external: [...PROVIDED_MODULES],
  // vm.compileFunction can import() only with a callback that V8 never lets go of.
  supported: { 'dynamic-import': false },
  define: definitions(),
} satisfies BuildOptions

function definitions(): Record<string, string> {
  const defined: Record<string, string> = {
    'import.meta': META_VARIABLE,
    'import.meta.main': 'false',
    __filename: `${META_VARIABLE}.filename`,
    __dirname: `${META_VARIABLE}.dirname`,
  }
  for (const name of SHADOWED_GLOBALS) {
    for (const object of ['globalThis', 'global', 'self']) {
      defined[`${object}.${name}`] = `${GLOBALS_PARAMETER}.${name}`
    }
  }
  return defined
}

/** Reads every file, so that what is stamped is what is built. */
function sources(folder: string, inputs: Map<string, InputStamp>): Plugin {
  const fromEntry = (path: string) => {
    const way = relative(folder, path).split(sep).join('/')
    return way.startsWith('.') ? way : `./${way}`
  }
  return {
    name: 'sources',
    setup({ onLoad, onResolve, resolve }) {
      // The decorators hold the one copy of reflect-metadata; a second one would put itself into the
      // global Reflect and keep the function in memory for ever.
      onResolve({ filter: /^reflect-metadata($|\/)/ }, () => {
        return {
          path: 'fezz/decorators' satisfies (typeof PROVIDED_MODULES)[number],
          external: true,
        }
      })
      onResolve({ filter: /\.node$/ }, async ({ path, pluginData, ...from }) => {
        if (pluginData === RESOLVED) return
        const found = await resolve(path, { ...from, pluginData: RESOLVED })
        if (found.errors.length > 0) return { path, external: true }
        return { path: fromEntry(found.path), external: true }
      })
      onLoad({ filter: /.*/, namespace: 'file' }, async ({ path, with: attributes }) => {
        const { bytes, stamp } = await readStamped(path)
        inputs.set(path, stamp)
        const type = attributes['type']
        if (type !== undefined)
          return { contents: bytes, loader: LOADERS_OF_TYPE[type] ?? 'default' }
        if (path.endsWith('.wasm')) return { contents: bytesAs(path, WASM_MODULE), loader: 'js' }
        if (path.endsWith('.bin')) return { contents: bytesAs(path, 'bytes.buffer'), loader: 'js' }
        if (!SOURCE.test(path)) return { contents: bytes, loader: 'default' }
        const text = bytes.toString()
        if (!USES_META.test(text)) return { contents: bytes, loader: 'default' }
        return { contents: withMeta(text, fromEntry(path)), loader: 'default' }
      })
    },
  }
}

const RESOLVED = Symbol('resolved')
const WASM_MODULE = 'new WebAssembly.Module(bytes)'
const USES_META = /\bimport\s*\.\s*meta\b|\b__(?:file|dir)name\b/
const HASHBANG_AND_DIRECTIVE = /^(?:#!.*\n)?(?:\s*(['"])use strict\1;?)?/

function bytesAs(path: string, expression: string): string {
  const specifier = JSON.stringify(`./${basename(path)}`)
  return `import bytes from ${specifier} with { type: 'bytes' }\nexport default ${expression}`
}

/** On the line that is there, so that all lines keep their numbers. */
function withMeta(text: string, fromEntry: string): string {
  const statement = `;var ${META_VARIABLE} = ${META_PARAMETER}(${JSON.stringify(fromEntry)});`
  return text.replace(HASHBANG_AND_DIRECTIVE, start => start + statement)
}
