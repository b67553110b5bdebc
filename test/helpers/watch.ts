/** What has become of a promise so far. */
export interface Watched<T> {
  state: 'waiting' | 'fulfilled' | 'rejected'
  value?: T
  error?: unknown
}

/** Watches `promise` without waiting for it; a rejection counts as handled. */
export function watch<T>(promise: Promise<T>): Watched<T> {
  const watched: Watched<T> = { state: 'waiting' }
  promise.then(
    value => Object.assign(watched, { state: 'fulfilled', value }),
    error => Object.assign(watched, { state: 'rejected', error }),
  )
  return watched
}
