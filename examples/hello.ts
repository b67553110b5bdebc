import { FezzFunction } from 'fezz/decorators'

/** curl -H "X-Name: Alice" http://localhost:8080/hello */
@FezzFunction('hello', '/hello')
export class Hello {
  fetch(request: Request): Response {
    return new Response(`Hello, ${request.headers.get('X-Name') ?? 'World'}!`)
  }
}
