import { answers, type Cases, outcome, streamOf, TEXT, tells, untyped } from './case.ts'

const upperCase = () =>
  new TransformStream<string, string>({
    transform: (chunk, controller) => controller.enqueue(chunk.toUpperCase()),
    flush: controller => controller.enqueue('!'),
  })

const textOf = (stream: ReadableStream) => new Response(stream).text()

/** Bytes that compress badly and differ from chunk to chunk. */
const MEGABYTE = Uint8Array.from({ length: 1_048_576 }, (_, at) => (at * at * 31) >> 7)

/** Web streams, alone and as bodies. */
export const streamCases: Cases = {
  'pulled chunk by chunk': answers(() => {
    let count = 0
    return new Response(
      new ReadableStream({
        pull(controller) {
          controller.enqueue(new TextEncoder().encode(`${count++},`))
          if (count === 5) controller.close()
        },
      }),
    )
  }),
  'start that waits': answers(
    () =>
      new Response(
        new ReadableStream({
          async start(controller) {
            await new Promise(resolve => setTimeout(resolve, 1))
            controller.enqueue(new TextEncoder().encode('late'))
            controller.close()
          },
        }),
      ),
  ),
  'cancel reaches the source': tells(async () => {
    const seen: unknown[] = []
    const stream = new ReadableStream({
      cancel(reason) {
        seen.push(reason)
      },
    })
    await stream.cancel('enough')
    return [seen, stream.locked]
  }),
  'a source that fails': tells(() =>
    outcome(() =>
      textOf(
        new ReadableStream({
          pull() {
            throw new RangeError('broken')
          },
        }),
      ),
    ),
  ),
  'chunks of text in a body': tells(() =>
    outcome(() =>
      textOf(
        new ReadableStream({
          start(controller) {
            controller.enqueue('text')
            controller.close()
          },
        }),
      ),
    ),
  ),
  'byte stream with a BYOB reader': tells(async () => {
    const stream = new ReadableStream({
      type: 'bytes',
      start(controller) {
        controller.enqueue(new Uint8Array([1, 2, 3]))
        controller.close()
      },
    })
    const reader = stream.getReader({ mode: 'byob' })
    const first = await reader.read(new Uint8Array(2))
    const second = await reader.read(new Uint8Array(2))
    return [[...first.value!], first.done, [...second.value!], second.done]
  }),
  'reader: read, closed, releaseLock': tells(async () => {
    const stream = streamOf('a')
    const reader = stream.getReader()
    const first = await reader.read()
    const second = await reader.read()
    await reader.closed
    reader.releaseLock()
    return [first.done, second.done, second.value === undefined, stream.locked]
  }),
  'locked twice': tells(() => {
    const stream = streamOf('a')
    stream.getReader()
    return outcome(() => stream.getReader())
  }),
  'response of a locked stream': tells(() => {
    const stream = streamOf('a')
    stream.getReader()
    return outcome(() => new Response(stream).status)
  }),
  'response of a stream that was read': tells(async () => {
    const stream = streamOf('a')
    await textOf(stream)
    return outcome(() => new Response(stream).status)
  }),
  'body read through its reader': tells(async () => {
    const response = new Response('abc')
    const before = response.bodyUsed
    const { value } = await response.body!.getReader().read()
    return [before, value!.byteLength, response.bodyUsed, await outcome(() => response.text())]
  }),
  'chunks of a text body are Uint8Array': tells(async () => {
    const { value } = await new Response('abc').body!.getReader().read()
    return [value instanceof Uint8Array, Object.prototype.toString.call(value)]
  }),
  'ReadableStream.from': tells(async () => {
    const seen: unknown[] = []
    for await (const chunk of ReadableStream.from(['a', 'b'])) seen.push(chunk)
    return seen
  }),
  'for await that stops': tells(async () => {
    const stream = streamOf('a', 'b')
    for await (const chunk of stream) return [chunk.byteLength, stream.locked]
    return 'empty'
  }),
  tee: tells(async () => {
    const [one, two] = streamOf('a', 'b').tee()
    return Promise.all([textOf(one), textOf(two)])
  }),
  pipeTo: tells(async () => {
    const seen: string[] = []
    const decoder = new TextDecoder()
    await streamOf('a', 'b').pipeTo(
      new WritableStream({
        write: chunk => void seen.push(decoder.decode(chunk)),
        close: () => void seen.push('closed'),
      }),
    )
    return seen
  }),
  'writer of a TransformStream': answers(() => {
    const { readable, writable } = new TransformStream()
    const writer = writable.getWriter()
    const encoder = new TextEncoder()
    const write = async () => {
      await writer.write(encoder.encode('first,'))
      await writer.write(encoder.encode('second'))
      await writer.close()
    }
    void write()
    return new Response(readable)
  }),
  'TextDecoderStream: characters split between chunks': tells(async () => {
    const bytes = new TextEncoder().encode('\u{1f600}')
    const source = new ReadableStream({
      start(controller) {
        for (const byte of bytes) controller.enqueue(new Uint8Array([byte]))
        controller.close()
      },
    })
    let text = ''
    for await (const part of source.pipeThrough(untyped(new TextDecoderStream()))) text += part
    return text
  }),
  'TextEncoderStream: surrogates split between chunks': tells(async () => {
    const { readable, writable } = new TextEncoderStream()
    const writer = writable.getWriter()
    const write = async () => {
      await writer.write('\ud83d')
      await writer.write('\ude00')
      await writer.close()
    }
    void write()
    return textOf(readable)
  }),
  ...Object.fromEntries(
    (['gzip', 'deflate', 'deflate-raw'] as const).map(format => [
      `${format}: there and back`,
      tells(async () => {
        const text = 'some text '.repeat(1_000)
        const packed = await new Response(
          new Response(text).body!.pipeThrough(new CompressionStream(format)),
        ).arrayBuffer()
        const unpacked = new Response(packed).body!.pipeThrough(new DecompressionStream(format))
        return [packed.byteLength < text.length, (await textOf(unpacked)) === text]
      }),
    ]),
  ),
  'gzip: not gzip': tells(() =>
    outcome(() =>
      textOf(streamOf('not gzip').pipeThrough(untyped(new DecompressionStream('gzip')))),
    ),
  ),
  'request through a transform into the response': answers(
    request =>
      new Response(
        request
          .body!.pipeThrough(new TextDecoderStream())
          .pipeThrough(upperCase())
          .pipeThrough(new TextEncoderStream()),
      ),
    TEXT,
  ),
  'request through gzip and back': answers(
    request =>
      new Response(
        request
          .body!.pipeThrough(new CompressionStream('gzip'))
          .pipeThrough(new DecompressionStream('gzip')),
      ),
    TEXT,
  ),
  'request body as response body': answers(request => new Response(request.body), {
    method: 'POST',
    body: MEGABYTE,
  }),
  'request bytes as response body': answers(
    async request => new Response(await request.arrayBuffer()),
    { method: 'POST', body: MEGABYTE },
  ),
  'request clone as response body': answers(
    async request => {
      const copy = request.clone()
      const { byteLength } = await request.arrayBuffer()
      return new Response(copy.body, { headers: { 'x-length': String(byteLength) } })
    },
    { method: 'POST', body: MEGABYTE },
  ),
}
