/** The listeners that a host may have: what is promised of a host is tested with each. */
export const LISTENERS = ['engine', 'node'] as const

export type ListenerName = (typeof LISTENERS)[number]

/** The environment in which a host has that listener; of one alone there is nothing to set. */
export function listenerEnvironment(listener: ListenerName): Readonly<Record<string, string>> {
  const names: readonly ListenerName[] = LISTENERS
  return names.length > 1 ? { FEZZ_LISTENER: listener } : {}
}
