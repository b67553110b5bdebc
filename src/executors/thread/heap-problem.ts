import type { Manifest } from '../../function/manifest.ts'

/** With less, V8 may end the whole process while the thread starts. */
const MIN_HEAP_MIB = 16

/** Why no thread is started with the memory that a function has, if that is so. */
export function heapProblem({ execution }: Manifest): string | undefined {
  const { memoryBytes = Number.POSITIVE_INFINITY } = execution
  if (memoryBytes >= MIN_HEAP_MIB * 2 ** 20) return undefined
  return `memory of ${memoryBytes} bytes is too little for a thread; write at least "${MIN_HEAP_MIB}MiB"`
}
