import { request } from 'node:http'
import { buffer } from 'node:stream/consumers'

/**
 * Sends the request of `scenario` to `url` once.
 * @throws unless the answer is the right one; the message says what is wrong
 */
export async function verify(url, { method, headers = {}, bodyBytes = 0, type, answer }) {
  // All byte values: a body that somebody took for text does not come back as it was.
  const sent = Buffer.from(Uint8Array.from({ length: bodyBytes }, (_, index) => index))
  const response = await new Promise((resolve, reject) => {
    request(url, { method, headers, agent: false }, resolve).once('error', reject).end(sent)
  })
  const body = await buffer(response)
  const expected = answer === undefined ? sent : Buffer.from(answer)
  const { statusCode, headers: fields } = response
  if (statusCode !== 200) throw new Error(`it answered ${statusCode}`)
  if (fields['content-type']?.split(';')[0] !== type) {
    throw new Error(`it answered content-type ${fields['content-type']}, not ${type}`)
  }
  if (!body.equals(expected)) {
    throw new Error(`it answered ${body.length} bytes, not the ${expected.length} that are right`)
  }
}
