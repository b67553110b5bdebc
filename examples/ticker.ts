import { FezzFunction } from 'fezz/decorators'

/** Server-sent events, one a second: curl -N http://localhost:8080/ticker */
@FezzFunction('ticker', '/ticker', { description: 'Streams the time until you hang up' })
export class Ticker {
  fetch(): Response {
    const encoder = new TextEncoder()
    let timer: NodeJS.Timeout
    const events = new ReadableStream<Uint8Array>({
      start(controller) {
        const tick = () => {
          controller.enqueue(encoder.encode(`data: ${new Date().toISOString()}\n\n`))
        }
        timer = setInterval(tick, 1000)
        tick()
      },
      cancel: () => clearInterval(timer),
    })
    return new Response(events, {
      headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
    })
  }
}
