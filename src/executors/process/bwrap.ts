import { MACHINE, readable } from './readable.ts'
import type { SandboxPlan } from './sandbox-plan.ts'
import type { Tools } from './tools.ts'

/** What goes before a command so that bubblewrap runs it as `plan` says. */
export function bwrapPrefix(plan: SandboxPlan, tools: Tools): string[] {
  const { reads, home, temporary, cwd, network } = plan
  const args = ['--die-with-parent', '--unshare-pid', '--unshare-ipc', '--unshare-uts']
  args.push('--unshare-cgroup-try', '--cap-drop', 'ALL')
  if (!network) args.push('--unshare-net')
  // Before what may lie within it.
  args.push('--proc', '/proc')
  // It would seal some of it by itself, but goes by what root may do to the folders, not to the files.
  for (const path of MACHINE) args.push('--ro-bind-try', path, path)
  args.push('--dev', '/dev', '--bind', temporary, '/tmp')
  for (const { path, link } of readable(reads)) {
    if (link === undefined) args.push('--ro-bind', path, path)
    else args.push('--symlink', link, path)
  }
  args.push('--bind', home, home, '--remount-ro', '/', '--chdir', cwd, '--')
  return [tools.bwrap as string, ...args]
}
