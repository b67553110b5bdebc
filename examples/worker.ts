import type { FunctionContext } from 'fezz'

// A Cloudflare Workers module, unchanged. Without a declaration of its own it answers under its
// file's name: curl http://localhost:8080/worker/anything
export default {
  fetch(request: Request, env: Record<string, string>, ctx: FunctionContext): Response {
    const { pathname } = new URL(request.url)
    ctx.waitUntil(Promise.resolve().then(() => ctx.log.debug(`served ${pathname}`)))
    return Response.json({ path: pathname, greeting: env.GREETING ?? 'hi' })
  },
}
