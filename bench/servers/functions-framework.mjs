import { http } from '@google-cloud/functions-framework'
import { getTestServer } from '@google-cloud/functions-framework/testing'

http('hello', (_request, response) => {
  response.type('text/plain').send('Hello, World!')
})

// Its own command listens on every interface; this is the same server, on loopback.
getTestServer('hello').listen(Number(process.argv[2]), '127.0.0.1').setTimeout(0)
