const LINE = 64
const LARGE = 100 * 1024

/** One kind of answer: what it is to be, whoever makes it. */
interface AnswerKind {
  readonly status: number
  /** `null`: none, whatever the method. */
  readonly body: ((nonce: string) => string) | null
  /** Sent in pieces, so that its length is not known before its end. */
  readonly isStream?: true
  readonly type?: string
}

/** What the function in functions/mirror.ts can be asked for. */
export const ANSWERS = {
  text: { status: 200, body: nonce => nonce },
  json: {
    status: 200,
    body: nonce => JSON.stringify({ nonce, list: [1, 2, 3] }),
    type: 'application/json',
  },
  wide: { status: 200, body: nonce => `Grüße, 世界 und 🌍 von ${nonce}` },
  large: { status: 200, body: nonce => linesOf(nonce, LARGE) },
  stream: { status: 200, body: nonce => linesOf(nonce, 3_000), isStream: true },
  'large-stream': { status: 200, body: nonce => linesOf(nonce, LARGE), isStream: true },
  created: { status: 201, body: nonce => `created ${nonce}` },
  refused: { status: 403, body: nonce => `no ${nonce}` },
  empty: { status: 200, body: () => '' },
  none: { status: 204, body: null },
  unchanged: { status: 304, body: null },
} as const satisfies Record<string, AnswerKind>

/** `endless` is for those who leave. */
export type AnswerName = keyof typeof ANSWERS | 'endless'

export function answerKind(name: Exclude<AnswerName, 'endless'>): AnswerKind {
  return ANSWERS[name]
}

/** So many bytes that no other nonce has, and no other place among them. */
export function linesOf(nonce: string, bytes: number): string {
  const count = Math.ceil(bytes / LINE)
  const lines = Array.from(
    { length: count },
    (_, i) => `${`${nonce} ${i}`.padEnd(LINE - 1, '.')}\n`,
  )
  return lines.join('').slice(0, bytes)
}
