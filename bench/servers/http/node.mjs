import { createServer } from 'node:http'

// The yardstick: one handler by name, no routing, one writeHead, one end.
const [port, name] = process.argv.slice(2)
const hello = 'Hello, World!'
const helloHeaders = {
  'content-type': 'text/plain;charset=UTF-8',
  'content-length': hello.length,
}

const handlers = {
  hello(_request, response) {
    response.writeHead(200, helloHeaders)
    response.end(hello)
  },
  echo(request, response) {
    const chunks = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      response.writeHead(200, {
        'content-type': 'application/octet-stream',
        'content-length': body.length,
      })
      response.end(body)
    })
  },
  json(_request, response) {
    const body = JSON.stringify({ message: 'Hello, World!' })
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    })
    response.end(body)
  },
}

createServer({ keepAliveTimeout: 60_000 }, handlers[name]).listen(Number(port), '127.0.0.1')
