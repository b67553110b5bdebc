import { Hono } from 'hono'

// Any Hono app runs as it is: curl http://localhost:8080/hono/users/7
const app = new Hono().basePath('/hono')

app.get('/', c => c.text('Hono on Fezz'))
app.get('/users/:id', c => c.json({ id: c.req.param('id') }))

export default app
