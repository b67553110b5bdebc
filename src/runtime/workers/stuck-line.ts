import { mapStack, rememberArtifact } from '../../loader/stack.ts'
import type { StuckReport } from './protocol.ts'

/** What the log says of a worker that was stuck. */
export interface StuckLine {
  /** Completes "worker 2 …". */
  readonly message: string
  /** Functions whose code is that of the innermost frames. */
  readonly functionId?: string
  /** Source file, line and column. */
  readonly place?: string
  /** From the sources' point of view, innermost frame first. */
  readonly stack?: string
}

/** Frames of Node itself, such as those of its timers. */
const INTERNAL = /\(?node:/
const PLACE = /\(?([^\s()]+:\d+:\d+)\)?$/

/** Words what a watchdog has found, with places in the sources that the functions were written in. */
export function stuckLine({ stuckMs, stack, functions }: StuckReport): StuckLine {
  const since = `stood still for ${stuckMs} ms and was ended`
  if (stack === '') return { message: `${since}: it waits in a call outside of JavaScript` }
  for (const each of functions) rememberArtifact(each)
  const sources = mapStack(stack)
  const [innermost] = functions
  // The innermost frame that is somebody's own code: of the function, if it is in the stack.
  const at = stack
    .split('\n')
    .findIndex(frame => (innermost ? frame.includes(innermost.folder) : !INTERNAL.test(frame)))
  const place = PLACE.exec(sources.split('\n')[at] ?? '')?.[1]
  const sharing = functions.filter(({ folder }) => folder === innermost?.folder)
  const functionId = sharing.map(each => each.functionId).join(', ')
  const where = `${functionId === '' ? '' : ` in function "${functionId}"`}${place === undefined ? '' : ` at ${place}`}`
  return {
    message: `${since}: stuck${where}`,
    ...(functionId !== '' && { functionId }),
    ...(place !== undefined && { place }),
    stack: sources,
  }
}
