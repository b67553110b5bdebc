export const manifest = { version: 'v1', path: '/whoami' }

// HOST_NAME is a variable of each host, see cluster.ts.
export default (_request: Request, { env }: { env: Record<string, string> }) =>
  new Response(`${env['HOST_NAME']}\n`)
