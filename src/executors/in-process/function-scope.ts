import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'

/** Whose code is running. */
export interface FunctionReference {
  readonly functionId: string
  readonly version: string
}

const scopes = new AsyncLocalStorage<FunctionReference>()

/**
 * The context of nobody. A function is loaded by whatever request comes first; without this, the
 * AsyncLocalStorage values of that request would show in all later ones, and stay in memory.
 */
const outside = new AsyncResource('FEZZHOST')

/**
 * Whose code is running right now, or has started what is running: a timer, a promise. For the
 * handlers of `unhandledRejection` and `uncaughtException`; `undefined` outside of every function.
 */
export function functionOfCurrentScope(): FunctionReference | undefined {
  return scopes.getStore()
}

/** Runs `work` as code of `reference`, and in no other asynchronous context. */
export function runInScopeOf<T>(reference: FunctionReference, work: () => T): T {
  return outside.runInAsyncScope(() => scopes.run(reference, work))
}

/**
 * A door back into the current scope. Going through one AsyncResource costs a small part of an
 * `AsyncLocalStorage.run` per request.
 */
export function captureScope(): AsyncResource {
  return new AsyncResource('FEZZFUNCTION')
}
