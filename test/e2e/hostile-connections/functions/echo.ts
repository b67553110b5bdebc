/** Reads the whole body, and says how long it was. */
export default async (request: Request): Promise<Response> =>
  new Response(`${(await request.bytes()).length}`)
