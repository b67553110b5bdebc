// Flat, and text: it costs nothing to answer with it once more.
const body = Buffer.alloc(10 * 2 ** 20, 'x').toString('latin1')

/** 10 MiB in memory, the same for all. */
export default (): Response => new Response(body)
