import { createServer } from 'node:http'

// The yardstick: what node:http alone can do. No routing, one writeHead, one end.
const body = 'Hello, World!'
const headers = { 'content-type': 'text/plain;charset=UTF-8', 'content-length': body.length }

createServer((_request, response) => {
  response.writeHead(200, headers)
  response.end(body)
}).listen(Number(process.argv[2]), '127.0.0.1')
