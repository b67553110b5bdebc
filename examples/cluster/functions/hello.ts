export const manifest = { version: 'v1', path: '/hello' }

export default () => new Response('hello from v1\n')
