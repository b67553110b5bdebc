/**
 * Completes a fast web class: `prototype` inherits from the platform's, and each of the platform's
 * members that it does not define itself is answered by the genuine object behind it.
 *
 * @param genuine makes the platform object of `self` on first use and returns the same one after
 */
export function delegate<Fast extends object>(
  prototype: Fast,
  platform: object,
  genuine: (self: Fast) => object,
): void {
  for (const key of Reflect.ownKeys(platform)) {
    if (key === 'constructor' || key === Symbol.toStringTag) continue
    if (Object.hasOwn(prototype, key)) continue
    const member = Object.getOwnPropertyDescriptor(platform, key)!
    const { get, value } = member
    Object.defineProperty(
      prototype,
      key,
      get === undefined
        ? {
            ...member,
            value(this: Fast, ...args: unknown[]) {
              return Reflect.apply(value, genuine(this), args)
            },
          }
        : {
            configurable: true,
            enumerable: true,
            get(this: Fast) {
              return Reflect.apply(get, genuine(this), [])
            },
          },
    )
  }
  Object.setPrototypeOf(prototype, platform)
}
