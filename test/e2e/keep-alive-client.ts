import { RawClient } from '../http/raw-client.ts'

/** What one connection has seen. */
export interface Report {
  /** Bodies of the complete responses with status 200. */
  readonly answers: string[]
  /** Why the last request was not answered so; `undefined` when every one was. */
  failure: string | undefined
}

const CONNECTION_CLOSE = /^connection: *close\r?$/im

/**
 * Sends one request after the other over one connection, without a pause, until a response says
 * `Connection: close`, or one fails, or `enough` says so after an answer.
 */
export async function hammer(
  port: number,
  path: string,
  enough: (report: Report) => boolean = () => false,
): Promise<Report> {
  const client = await RawClient.connect(port)
  const report: Report = { answers: [], failure: undefined }
  try {
    for (;;) {
      client.received = ''
      client.send(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      const response = await client.until(isComplete)
      if (!response.startsWith('HTTP/1.1 200 ')) return { ...report, failure: response }
      report.answers.push(bodyOf(response))
      if (CONNECTION_CLOSE.test(headOf(response))) {
        await client.untilClosed()
        return report
      }
      if (enough(report)) return report
    }
  } catch (error) {
    return { ...report, failure: (error as Error).message }
  } finally {
    client.destroy()
  }
}

function headOf(response: string): string {
  return response.slice(0, response.indexOf('\r\n\r\n'))
}

function isComplete(response: string): boolean {
  const end = response.indexOf('\r\n\r\n')
  if (end === -1) return false
  const length = /^content-length: *(\d+)/im.exec(headOf(response))?.[1]
  if (length === undefined) return response.endsWith('\r\n0\r\n\r\n')
  return response.length === end + 4 + Number(length)
}

/** Chunks are joined. */
function bodyOf(response: string): string {
  const body = response.slice(response.indexOf('\r\n\r\n') + 4)
  if (/^content-length:/im.test(headOf(response))) return body
  return body.replace(/(?:^|\r\n)[\da-f]+\r\n/gi, '').trimEnd()
}
