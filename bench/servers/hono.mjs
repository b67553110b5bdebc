import { serve } from '@hono/node-server'
import { Hono } from 'hono'

const app = new Hono()
app.get('/hello', context => context.text('Hello, World!'))

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.argv[2]) })
