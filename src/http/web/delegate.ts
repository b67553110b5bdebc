type Method = (...args: unknown[]) => unknown

/**
 * Completes a fast web class: `prototype` inherits from the platform's, and each of the platform's
 * members that it does not define itself is answered by the genuine object behind it. All are
 * listed as the platform's are, so that `for (const key in request)` finds them.
 *
 * @param genuine makes the platform object of `self` on first use and returns the same one after;
 * whatever is none of the fast class it gives back, for the platform to judge
 */
export function delegate<Fast extends object>(
  prototype: Fast,
  platform: object,
  genuine: (self: Fast) => object,
): void {
  // The platform's `Symbol.iterator` and `entries` are one function, and so they are here.
  const forwards = new Map<Method, Method>()
  const forward = (method: Method): Method => {
    let forwarding = forwards.get(method)
    if (forwarding === undefined) {
      forwarding = {
        forwarding(this: Fast, ...args: unknown[]) {
          return Reflect.apply(method, genuine(this), args)
        },
      }.forwarding
      forwards.set(method, named(forwarding, method))
    }
    return forwarding
  }
  for (const key of Reflect.ownKeys(platform)) {
    if (key === 'constructor' || key === Symbol.toStringTag) continue
    const member = Object.getOwnPropertyDescriptor(platform, key)!
    const own = Object.getOwnPropertyDescriptor(prototype, key)
    if (own !== undefined) {
      if (own.value !== undefined) named(own.value, member.value)
      Object.defineProperty(prototype, key, { ...own, enumerable: member.enumerable! })
    } else if (member.get !== undefined) {
      const get = forward(member.get)
      Object.defineProperty(prototype, key, { configurable: true, enumerable: true, get })
    } else if (typeof member.value === 'function') {
      Object.defineProperty(prototype, key, { ...member, value: forward(member.value) })
    }
  }
  Object.setPrototypeOf(prototype, platform)
}

/**
 * Lets a class pass for the platform's of which it inherits: by its name, by how its static members
 * are listed, and by `instanceof`, which any object of the platform's class satisfies. For its
 * subclasses the prototype decides, as usual.
 */
export function passFor(fast: object, platform: new (...args: never[]) => object): void {
  for (const key of Reflect.ownKeys(platform)) {
    if (key === 'prototype') continue
    const member = Object.getOwnPropertyDescriptor(platform, key)!
    const value = typeof member.value === 'function' ? Reflect.get(fast, key) : member.value
    if (typeof value === 'function') named(value, member.value)
    Object.defineProperty(fast, key, { ...member, value })
  }
  Object.defineProperty(fast, Symbol.hasInstance, {
    value(this: unknown, object: unknown): boolean {
      if (this === fast) return object instanceof platform
      return Reflect.apply(Function.prototype[Symbol.hasInstance], this, [object])
    },
  })
}

function named(method: Method, { name, length }: Method): Method {
  return Object.defineProperties(method, {
    name: { value: name, configurable: true },
    length: { value: length, configurable: true },
  })
}
