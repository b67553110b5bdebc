/** Reads the body a piece at a time. */
export default async (request: Request): Promise<Response> => {
  let length = 0
  for await (const piece of request.body ?? []) length += piece.length
  return new Response(`${length}`)
}
