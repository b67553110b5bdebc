/**
 * The one order of ids, for `sort`: by code units, the same on every machine. Of two functions that
 * claim the same route the first answers, on every host and for every proxy.
 */
export function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : Number(a.id > b.id)
}
