import { DEFAULT_PATH } from './environment.ts'
import { MACHINE, readable } from './readable.ts'
import type { SandboxPlan } from './sandbox-plan.ts'
import type { Tools } from './tools.ts'

const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'].map(name => `/dev/${name}`)

/** What goes before a command so that unshare(1) takes the network from it, and nothing else. */
export function noNetworkPrefix(plan: SandboxPlan, tools: Tools): string[] {
  return [tools.unshare as string, ...owner(plan), '--net', '--', ...disowned(plan, tools)]
}

/**
 * What goes before a command so that it runs as `plan` says, where there is no bubblewrap: by
 * unshare(1), mount(8) and a shell. A new root is put together, everything else is left
 * behind with pivot_root, and the capabilities that took are given up.
 */
export function unsharePrefix(plan: SandboxPlan, tools: Tools): string[] {
  const { reads, home, temporary, cwd, network } = plan
  const root = `${temporary}/.root`
  // The function's own may lead to programs of its own.
  const path = `${process.env['PATH'] ?? DEFAULT_PATH}:/usr/sbin:/sbin`
  const lines = [
    `FEZZ_PATH="$PATH"; PATH=${quote(path)}`,
    `mkdir -p ${quote(root)}`,
    `mount -t tmpfs -o mode=755,size=1m tmpfs ${quote(root)}`,
    `mkdir ${quote(`${root}/proc`)} ${quote(`${root}/.old`)}`,
    `mount -t proc -o nosuid,nodev,noexec proc ${quote(`${root}/proc`)}`,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: of the shell
    'bind() { if [ -d "$1" ]; then mkdir -p "$2"; else mkdir -p "${2%/*}"; : > "$2"; fi; mount --rbind "$1" "$2"; }',
    'seal() { mount -o "remount,bind,ro,nosuid,nodev" "$1"; }',
    ...MACHINE.map(path => quote(root + path)).map(
      path => `if [ -e ${path} ]; then mount --bind ${path} ${path}; seal ${path}; fi`,
    ),
    `bind ${quote(temporary)} ${quote(`${root}/tmp`)}`,
    ...DEVICES.map(device => `bind ${device} ${quote(root + device)}`),
    ...readable(reads).map(({ path, link }) =>
      link === undefined
        ? `bind ${quote(path)} ${quote(root + path)}`
        : `ln -s ${quote(link)} ${quote(root + path)}`,
    ),
    sealAll(root),
    `bind ${quote(home)} ${quote(root + home)}`,
    `cd ${quote(root)}`,
    'pivot_root . .old',
    'umount -l /.old',
    'mount -o remount,bind,ro /',
    `cd ${quote(cwd)}`,
    'PATH="$FEZZ_PATH"',
    // The shell itself still has its capabilities, but not what it becomes.
    `exec ${[...disowned(plan, tools), tools.setpriv, ...dropped(plan)].join(' ')} -- "$@"`,
  ]
  const { sh = '/bin/sh' } = tools
  const args = ['--mount', '--pid', '--fork', '--kill-child', '--ipc', '--uts', '--cgroup']
  if (!network) args.push('--net')
  const script = `set -e; ${lines.join('; ')}`
  return [tools.unshare as string, ...owner(plan), ...args, '--', sh, '-c', script, 'sandbox']
}

/**
 * Makes read-only what is mounted in `root` but for /tmp, /proc and /dev: also what the machine has
 * mounted within a tree that is shown, which a remount of the tree itself leaves as it was. In a shell
 * of its own, whose variables are not the function's. What another mount hides, or the function's user
 * cannot reach, is out of the function's reach too. Fields: proc_pid_mountinfo(5).
 */
function sealAll(root: string): string {
  const own = ['tmp/', 'proc/*', 'dev/*'].map(name => `${quote(`${root}/`)}${name}`).join('|')
  const steps = [
    // Spaces are written as \040.
    'case "$point" in *\\\\*) point=$(printf %b "$point");; esac',
    `case "$point/" in ${own}) ;; ${quote(`${root}/`)}?*) [ ! -e "$point" ] || mount -o "remount,bind,$options,ro,nosuid,nodev" "$point";; esac`,
  ]
  return `( while read -r _ _ _ _ point options _; do ${steps.join('; ')}; done < /proc/self/mountinfo )`
}

/** Who is not root needs a user namespace, to be root in there and be allowed the others. */
function owner({ user }: SandboxPlan): string[] {
  return user.uid === 0 ? [] : ['--map-root-user']
}

/** Back to who it was. */
function disowned({ user }: SandboxPlan, { unshare }: Tools): string[] {
  if (user.uid === 0) return []
  return [unshare as string, `--map-user=${user.uid}`, `--map-group=${user.gid}`, '--']
}

/** Options of setpriv(1); who is not root has no capabilities that could be dropped. */
function dropped({ user }: SandboxPlan): string[] {
  const capabilities = user.uid === 0 ? ['--bounding-set=-all', '--inh-caps=-all'] : []
  return ['--no-new-privs', ...capabilities]
}

/** For a shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
