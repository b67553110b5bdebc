import fastify from 'fastify'

const app = fastify({ bodyLimit: 2 * 2 ** 20 })

app.get('/hello', (_request, reply) => {
  reply.type('text/plain;charset=UTF-8').send('Hello, World!')
})

app.addContentTypeParser(
  'application/octet-stream',
  { parseAs: 'buffer' },
  (_request, body, done) => {
    done(null, body)
  },
)
app.post('/echo', (request, reply) => {
  reply.type('application/octet-stream').send(request.body)
})

const schema = {
  response: { 200: { type: 'object', properties: { message: { type: 'string' } } } },
}
app.get('/json', { schema }, (_request, reply) => {
  reply.send({ message: 'Hello, World!' })
})

await app.listen({ host: '127.0.0.1', port: Number(process.argv[2]) })
