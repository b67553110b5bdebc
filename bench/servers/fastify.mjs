import fastify from 'fastify'

const app = fastify()
app.get('/hello', (_request, reply) => {
  reply.type('text/plain;charset=UTF-8').send('Hello, World!')
})

await app.listen({ host: '127.0.0.1', port: Number(process.argv[2]) })
