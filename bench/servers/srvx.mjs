import { FastResponse, serve } from 'srvx'

serve({
  hostname: '127.0.0.1',
  port: Number(process.argv[2]),
  silent: true,
  fetch: () =>
    new FastResponse('Hello, World!', { headers: { 'content-type': 'text/plain;charset=UTF-8' } }),
})
