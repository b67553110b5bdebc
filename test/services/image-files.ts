import { createHash } from 'node:crypto'
import { chmod, mkdir, readFile, realpath, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { cached } from './cache.ts'
import { firstExecutable, onPath, run } from './run.ts'

/** What an image is made of. */
export interface ImageFiles {
  /** Arguments of GNU tar: which files, and where they are in the image. */
  readonly tar: readonly string[]
  /** As in a Dockerfile: `ENTRYPOINT [...]`. */
  readonly changes: readonly string[]
}

const HELLO = resolve(import.meta.dirname, 'images/hello')
const PATH = 'ENV PATH=/usr/local/bin:/usr/bin:/bin'

/** One static program, built when its source has changed. */
export async function helloFiles(): Promise<ImageFiles> {
  const program = await helloProgram()
  return {
    tar: [...(await skeleton()), '-C', dirname(program), basename(program)],
    changes: ['ENTRYPOINT ["/hello"]', 'EXPOSE 80'],
  }
}

/** The server of the image `hello`, which is of use without a container too. */
export async function helloProgram(): Promise<string> {
  const source = await Promise.all(['main.go', 'go.mod'].map(file => readFile(join(HELLO, file))))
  return cached(`image-hello-${digest(...source)}`, 'hello', async scratch => {
    const go = (await onPath('go')) ?? (await firstExecutable(['/usr/local/go/bin/go']))
    if (go === undefined) throw new Error('there is no go')
    const env = { ...process.env, CGO_ENABLED: '0' }
    const out = join(scratch, 'root/hello')
    await run(go, ['build', '-trimpath', '-ldflags=-s -w', '-o', out], { cwd: HELLO, env })
    return 'root'
  })
}

/** The program that runs this process. */
export async function nodeFiles(): Promise<ImageFiles> {
  const program = await realpath(process.execPath)
  const from = program.slice(1).replaceAll(/[.|[\]*^$\\]/g, '\\$&')
  return {
    tar: [
      // `r`: the targets of symbolic links stay as they are.
      `--transform=flags=r;s|^${from}$|usr/bin/node|`,
      ...(await skeleton()),
      ...(await fromRoot([program, ...(await librariesOf([program]))])),
    ],
    changes: [PATH],
  }
}

/** The machine's own, in the place where it is there. */
export async function pythonFiles(): Promise<ImageFiles> {
  const about = await run('python3', ['-c', ABOUT_PYTHON])
  const { program, library, modules } = JSON.parse(about) as AboutPython
  const libraries = await librariesOf([program, ...modules])
  // Nobody in a container tests Python or draws a window; site-packages are the machine's own.
  const unwanted = ['__pycache__', 'site-packages/*', 'dist-packages/*', 'test', 'idlelib']
  unwanted.push('lib2to3', 'tkinter', 'turtledemo', 'config-*')
  return {
    tar: [
      ...unwanted.map(name => `--exclude=${library.slice(1)}/${name}`),
      '--exclude=__pycache__',
      ...(await skeleton({ 'usr/bin/python3': program, 'usr/bin/python': program })),
      ...(await fromRoot([program, library, ...libraries])),
    ],
    changes: [PATH],
  }
}

interface AboutPython {
  readonly program: string
  /** The folder of the standard library. */
  readonly library: string
  /** Those of it that are shared objects. */
  readonly modules: readonly string[]
}

const ABOUT_PYTHON = `
import glob, json, os, sys, sysconfig
library = sysconfig.get_path('stdlib')
print(json.dumps({
  'program': os.path.realpath(sys._base_executable),
  'library': library,
  'modules': glob.glob(library + '/lib-dynload/*.so'),
}))
`

/** The folders and accounts that a program takes for granted, and symbolic links. */
async function skeleton(links: Readonly<Record<string, string>> = {}): Promise<readonly string[]> {
  const folder = await cached(
    `image-root-${digest(JSON.stringify(links))}`,
    'tmp',
    async scratch => {
      const root = join(scratch, 'root')
      for (const name of ['etc', 'tmp', 'usr/bin', 'usr/lib', 'usr/lib64']) {
        await mkdir(join(root, name), { recursive: true })
      }
      await chmod(join(root, 'tmp'), 0o1777)
      for (const name of ['bin', 'lib', 'lib64']) await symlink(`usr/${name}`, join(root, name))
      for (const [name, target] of Object.entries(links)) await symlink(target, join(root, name))
      const nobody = 'nobody:x:65534:65534:nobody:/tmp:/bin/false'
      await writeFile(join(root, 'etc/passwd'), `root:x:0:0:root:/:/bin/false\n${nobody}\n`)
      await writeFile(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n')
      return 'root'
    },
  )
  return ['-C', dirname(folder), '.']
}

/** The shared libraries that programs and shared objects need, the loader too. */
async function librariesOf(files: readonly string[]): Promise<readonly string[]> {
  const told = await run('ldd', files)
  const found = told.matchAll(/^\t(?:\S+ => )?(\/\S+) \(0x/gm)
  return [...new Set(Array.from(found, match => match[1] as string))]
}

/** Files under the paths that they really have, with the symbolic links that lead to them. */
async function fromRoot(files: readonly string[]): Promise<readonly string[]> {
  const paths = new Set<string>()
  for (const file of files) {
    paths.add(join(await realpath(dirname(file)), basename(file)))
    paths.add(await realpath(file))
  }
  return ['-C', '/', ...Array.from(paths, path => path.slice(1))]
}

function digest(...parts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex').slice(0, 12)
}
