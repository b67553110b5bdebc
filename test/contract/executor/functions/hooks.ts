import type { LifecycleContext } from '../../../../src/function/contract.ts'
import { Journalled } from './journalled.ts'

class CustomError extends Error {
  override readonly name = 'CustomError'
}

export class FaultyConstructor extends Journalled {
  constructor() {
    super()
    throw new TypeError('thrown in the constructor')
  }

  fetch() {
    return new Response()
  }
}

/** Throws in onLoad what env.FAIL names. */
export class FaultyLoad extends Journalled {
  override async onLoad(context: LifecycleContext) {
    super.onLoad(context)
    const fail = context.env['FAIL']
    if (fail === 'custom') throw new CustomError('thrown in onLoad')
    if (fail === 'text') throw 'thrown as text'
    if (fail === 'undefined') throw undefined
  }

  fetch() {
    return new Response('fine')
  }
}

export class FaultyUnload extends Journalled {
  fetch() {
    return new Response('fine')
  }

  override async onUnload(context: LifecycleContext) {
    super.onUnload(context)
    throw new CustomError('thrown in onUnload')
  }
}

export class EndlessUnload extends Journalled {
  fetch() {
    return new Response('fine')
  }

  override async onUnload(context: LifecycleContext) {
    super.onUnload(context)
    await new Promise<never>(() => {})
  }
}
