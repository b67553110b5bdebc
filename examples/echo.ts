import { FezzFunction } from 'fezz/decorators'

/** curl -X POST -d "Hello, World!" http://localhost:8080/echo */
@FezzFunction('echo', '/echo', { method: 'POST', description: 'Sends the body back as it comes' })
export class Echo {
  fetch(request: Request): Response {
    const type = request.headers.get('content-type') ?? 'application/octet-stream'
    return new Response(request.body, { headers: { 'content-type': type } })
  }
}
