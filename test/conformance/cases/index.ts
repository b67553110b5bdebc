import type { Case, Cases } from './case.ts'
import { formCases } from './forms.ts'
import { headerCases } from './headers.ts'
import { hostCases } from './host.ts'
import { platformCases } from './platform.ts'
import { requestCases } from './requests.ts'
import { responseCases } from './responses.ts'
import { streamCases } from './streams.ts'

const GROUPS: Readonly<Record<string, Cases>> = {
  request: requestCases,
  response: responseCases,
  headers: headerCases,
  form: formCases,
  stream: streamCases,
  platform: platformCases,
  host: hostCases,
}

/** Every case, under its group and name; also its place in the path, percent-encoded. */
export const cases: ReadonlyMap<string, Case> = new Map(
  Object.entries(GROUPS).flatMap(([group, members]) =>
    Object.entries(members).map(([name, found]) => [`${group} ${name}`, found] as const),
  ),
)
