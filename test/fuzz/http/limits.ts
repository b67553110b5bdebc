import type { ParserLimits } from '../../../src/http/engine/parser.ts'

/** Small, so that many requests come near them. */
export const LIMITS: ParserLimits = { maxHeaderBytes: 2_048, maxHeaders: 24, maxTargetBytes: 300 }
