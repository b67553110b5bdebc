import { FezzError } from '../../errors.ts'

/** The refusal of a request that is not well-formed. @param what ends the sentence "The request ..." */
export function malformed(what: string): FezzError {
  return new FezzError('BAD_REQUEST', `The request ${what}`)
}
