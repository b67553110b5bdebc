/** Answers at once, and reads no body. */
export default (): Response => new Response('hello')
