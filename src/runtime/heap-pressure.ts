import { getHeapStatistics } from 'node:v8'

/**
 * Says whether the JavaScript heap is fuller than `limit`: bytes, or below 1 a share of the most V8
 * will grow it to. 0 never is.
 */
export function heapPressure(limit: number): () => boolean {
  if (limit === 0) return () => false
  return () => {
    const { used_heap_size: used, heap_size_limit: most } = getHeapStatistics()
    return used > (limit < 1 ? limit * most : limit)
  }
}
