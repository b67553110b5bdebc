import { connect } from 'node:net'

/** Handshakes at once, fewer than the shortest queue of a listening server. */
const AT_ONCE = 100

const port = Number(process.argv[2])
const sockets = new Set()

/** Opens a connection, has one request answered, and keeps it. */
function open() {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    sockets.add(socket)
    socket.once('error', reject)
    socket.once('close', () => {
      sockets.delete(socket)
      reject(new Error('the server closed a connection without an answer'))
    })
    let answer = ''
    socket.setEncoding('latin1').on('data', chunk => {
      answer += chunk
      if (answer.endsWith('Hello, World!')) resolve()
    })
    socket.write('GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
  })
}

async function openAll(count) {
  let left = count
  const openOnes = async () => {
    while (left-- > 0) await open()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, openOnes))
}

// A message is how many connections to add; the answer, how many are open then, or an error.
process.on('message', async count => {
  try {
    await openAll(count)
    process.send({ open: sockets.size })
  } catch (error) {
    process.send({ error: error.message })
  }
})
process.once('disconnect', () => process.exit())
