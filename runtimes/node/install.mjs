/**
 * Installs what the package.json in the working folder depends on into FOLDER/node_modules.
 *
 * Usage: node install.mjs FOLDER
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [, , folder] = process.argv
const project = JSON.parse(readFileSync('package.json', 'utf8'))
const { dependencies = {}, optionalDependencies = {} } = project
if (Object.keys({ ...dependencies, ...optionalDependencies }).length > 0) install()

function install() {
  const locks = ['package-lock.json', 'npm-shrinkwrap.json'].filter(name => existsSync(name))
  for (const name of [...locks, '.npmrc'].filter(name => existsSync(name))) {
    copyFileSync(name, join(folder, name))
  }
  // Scripts of the project itself would look for its sources, which are not here. What is not to be
  // installed need not even exist, but a lock has to agree with all that is asked for.
  const { scripts, devDependencies, ...rest } = project
  const asked = locks.length > 0 ? { ...rest, devDependencies } : rest
  writeFileSync(join(folder, 'package.json'), JSON.stringify(asked, null, 2))
  const command = locks.length > 0 ? 'ci' : 'install'
  const options = [
    '--omit=dev',
    '--no-audit',
    '--no-fund',
    '--no-update-notifier',
    '--loglevel=error',
  ]
  const { status, error } = spawnSync('npm', [command, ...options], {
    cwd: folder,
    stdio: 'inherit',
  })
  if (error !== undefined) {
    console.error(`npm cannot be run (${error.code}); install it, or bring node_modules along`)
  }
  process.exitCode = status ?? 1
}
