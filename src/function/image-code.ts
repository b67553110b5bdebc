import type { ImageCode } from './contract.ts'
import type { Execution } from './execution.ts'

/** The code of a function whose manifest names an image; `undefined` when it names none. */
export function imageCodeOf({ image, command }: Execution): ImageCode | undefined {
  if (image === undefined) return undefined
  return { kind: 'image', image, ...(command !== undefined && { command }) }
}
