import { webGlobals } from './http/web/globals.ts'

export {
  type FezzClass,
  type FezzClassDecorator,
  FezzFunction,
  type FezzFunctionOptions,
  manifestOf,
} from '../decorators/index.ts'
export { FezzError, type FezzErrorCode } from './errors.ts'
export type {
  FezzHandler,
  FunctionContext,
  LifecycleContext,
} from './function/contract.ts'
export type {
  DurationInput,
  Manifest,
  ManifestInput,
  ManifestRoute,
  RouteInput,
} from './function/manifest.ts'
export type { ListenerAddress } from './http/listener.ts'
export { FezzResponse } from './http/web/fezz-response.ts'
export { type LoadedFunction, Loader } from './loader/loader.ts'
export { Route, type RouteEntry } from './routing/route.ts'
export { type RouteMatch, RouteTable } from './routing/route-table.ts'
export { type ConfigInput, HhrfConfig, type HostConfig } from './runtime/config.ts'
export { HhrfServer, type RegisterOptions } from './runtime/server.ts'
export type { Logger } from './telemetry/logger.ts'

/** The web types that functions see, for code of an embedding program that wants them too. */
export const fetch: typeof globalThis.fetch = webGlobals.fetch
export const Headers: typeof globalThis.Headers = webGlobals.Headers
export const Request: typeof globalThis.Request = webGlobals.Request
export const Response: typeof globalThis.Response = webGlobals.Response
