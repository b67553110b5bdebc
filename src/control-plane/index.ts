/** `fezz/control-plane`: the control plane for programs that read or write it themselves. */
export { Route, type RouteEntry } from '../routing/route.ts'
export { type RouteMatch, RouteTable } from '../routing/route-table.ts'
export type { FunctionEvent } from './function-entries.ts'
export { type ArtifactReference, FunctionEntry } from './function-entry.ts'
export {
  type FunctionListing,
  FunctionStore,
  type FunctionStoreOptions,
  type WatchOptions,
} from './function-store.ts'
export { MemoryStore } from './memory/memory-store.ts'
export type { NodeEntry, NodeState, NodeStatus } from './node-entry.ts'
export { type OpenStoreOptions, openStore } from './open-store.ts'
export type {
  DeleteOptions,
  Lease,
  Listing,
  PutOptions,
  Revision,
  Store,
  StoreChange,
  StoredValue,
  StoreEvent,
} from './store.ts'
export { parseStoreUrl, type StoreAddress } from './store-url.ts'
