import { readdirSync, readFileSync } from 'node:fs'

/**
 * Memory of a process and its descendants, in bytes: `rssBytes` counts what they share once for
 * each, `pssBytes` divides it among those that do. Undefined without /proc.
 */
export function memoryOf(pid) {
  try {
    const tree = descendantsOf(pid)
    return { rssBytes: sum(tree, 'Rss'), pssBytes: sum(tree, 'Pss') }
  } catch {
    return undefined
  }
}

function descendantsOf(pid) {
  const parents = new Map()
  for (const name of readdirSync('/proc')) {
    if (/^\d+$/.test(name)) parents.set(Number(name), parentOf(name))
  }
  const tree = [pid]
  for (const member of tree) {
    for (const [child, parent] of parents) if (parent === member) tree.push(child)
  }
  return tree
}

function sum(tree, field) {
  let bytes = 0
  for (const pid of tree) {
    const text = read(`/proc/${pid}/smaps_rollup`)
    bytes += Number(new RegExp(`^${field}:\\s*(\\d+)`, 'm').exec(text)?.[1] ?? 0) * 1024
  }
  return bytes
}

function parentOf(pid) {
  // proc(5): the parent is field 4; the name, field 2, may hold spaces.
  const stat = read(`/proc/${pid}/stat`)
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
}

/** '' for a process that has ended meanwhile. */
function read(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
