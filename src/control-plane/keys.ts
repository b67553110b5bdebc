/**
 * The layout of the store, version 1. Every value is a JSON object; `docs/control-plane.md` describes
 * them. Another layout would get another number, so that hosts of both can share a store.
 */
export const FUNCTIONS = 'fezz/v1/functions/'
/** One for each running host, under its lease. */
export const NODES = 'fezz/v1/nodes/'
/** What each host has applied, under its lease. */
export const STATUS = 'fezz/v1/status/'
/** Nodes that an operator wants drained; there until undone. */
export const DRAINS = 'fezz/v1/drains/'
