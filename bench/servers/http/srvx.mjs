import { FastResponse, serve } from 'srvx'

const [port, name] = process.argv.slice(2)

const handlers = {
  hello: () =>
    new FastResponse('Hello, World!', { headers: { 'content-type': 'text/plain;charset=UTF-8' } }),
  echo: async request =>
    new FastResponse(await request.arrayBuffer(), {
      headers: { 'content-type': 'application/octet-stream' },
    }),
  json: () => FastResponse.json({ message: 'Hello, World!' }),
}

serve({
  hostname: '127.0.0.1',
  port: Number(port),
  silent: true,
  node: { keepAliveTimeout: 60_000 },
  fetch: handlers[name],
})
