/** Never ends, and makes as much as is taken. */
export default (): Response =>
  new Response(
    new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(16_384))
      },
    }),
  )
