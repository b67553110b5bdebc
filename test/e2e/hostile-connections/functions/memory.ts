/** What its process uses, in bytes, once all that is garbage is gone. */
export default (): Response => {
  for (let times = 0; times < 3; times++) globalThis.gc?.()
  const { heapUsed, external, rss } = process.memoryUsage()
  return Response.json({ usedBytes: heapUsed + external, residentBytes: rss })
}
