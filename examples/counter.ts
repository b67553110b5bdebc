import { FezzFunction } from 'fezz/decorators'

/** Counts for as long as it is loaded: curl http://localhost:8080/counter */
@FezzFunction('counter', '/counter')
export class Counter {
  #count = 0

  fetch(): Response {
    this.#count++
    return Response.json({ count: this.#count })
  }
}
