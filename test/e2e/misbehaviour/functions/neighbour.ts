/** Well-behaved, in the host's own process: it feels whatever the host feels. */
export default (): Response => new Response('here')
