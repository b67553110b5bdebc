import { delegate } from './delegate.ts'
import { type FieldList, fieldsOf, findField, lowerName } from './fields.ts'

const PlatformHeaders = globalThis.Headers

// Functions that see the private members; the static block of the class makes them.
let friends!: {
  isFastHeaders(value: object): value is FastHeaders
  platformHeaders(headers: FastHeaders): Headers
  currentFields(headers: FastHeaders): FieldList
  adoptHeaders(headers: FastHeaders, platform: Headers): void
}

export interface FastHeaders extends Headers {}

/**
 * A Headers over a list of fields: `get` and `has` scan the list; everything else makes a platform
 * Headers first, which is the truth from then on. The list itself is never changed.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: delegate() adds the other members
export class FastHeaders {
  readonly #fields: FieldList
  #platform: Headers | undefined

  /** @param fields valid names and values, names in any case */
  constructor(fields: FieldList) {
    this.#fields = fields
  }

  get(name: string): string | null {
    if (this.#platform !== undefined) return this.#platform.get(name)
    const lower = typeof name === 'string' ? lowerName(name) : undefined
    if (lower === undefined) return this.#genuine().get(name)
    return findField(this.#fields, lower) ?? null
  }

  has(name: string): boolean {
    if (this.#platform !== undefined) return this.#platform.has(name)
    const lower = typeof name === 'string' ? lowerName(name) : undefined
    if (lower === undefined) return this.#genuine().has(name)
    return findField(this.#fields, lower) !== undefined
  }

  forEach(callback: (value: string, name: string, headers: Headers) => void, self?: unknown): void {
    const genuine = this.#genuine()
    // Whatever is no function the platform refuses, also when there is nothing to call it with.
    if (typeof callback !== 'function') genuine.forEach(callback)
    for (const [name, value] of genuine) callback.call(self, value, name, this)
  }

  #genuine(): Headers {
    if (this.#platform !== undefined) return this.#platform
    const platform = new PlatformHeaders()
    for (let at = 0; at < this.#fields.length; at += 2) {
      platform.append(this.#fields[at]!, this.#fields[at + 1]!)
    }
    this.#platform = platform
    return platform
  }

  static {
    friends = {
      isFastHeaders: (value): value is FastHeaders => #fields in value,
      platformHeaders: headers => headers.#genuine(),
      currentFields: headers =>
        headers.#platform === undefined ? headers.#fields : fieldsOf(headers.#platform),
      adoptHeaders: (headers, platform) => {
        headers.#platform = platform
      },
    }
    delegate(FastHeaders.prototype, PlatformHeaders.prototype, self =>
      #fields in self ? self.#genuine() : self,
    )
    Object.defineProperty(FastHeaders.prototype, 'constructor', { value: PlatformHeaders })
  }
}

// Only what the platform itself made has headers that it does not let change.
const immutable = Response.error().headers

/** The Headers of what was fetched, which says what has come and does not change. */
export class FixedHeaders extends FastHeaders {}
for (const key of ['append', 'delete', 'set'] as const) {
  const { value, ...member } = Object.getOwnPropertyDescriptor(FastHeaders.prototype, key)!
  const refuse = (...args: unknown[]): never => Reflect.apply(value, immutable, args)
  Object.defineProperty(FixedHeaders.prototype, key, { ...member, value: refuse })
}
Object.defineProperty(FixedHeaders.prototype, 'constructor', { value: PlatformHeaders })

/** Whether `value` is a {@link FastHeaders}. */
export const isFastHeaders = friends.isFastHeaders

/** The platform Headers behind `headers`, made on first use. */
export const platformHeaders = friends.platformHeaders

/**
 * What `headers` holds now; the list it was made with as long as nothing was changed.
 *
 * @throws TypeError for a value that cannot be sent
 */
export const currentFields = friends.currentFields

/**
 * Makes `platform`, which holds the same fields, the truth for `headers`: what is changed in the one
 * is changed in the other.
 */
export const adoptHeaders = friends.adoptHeaders
