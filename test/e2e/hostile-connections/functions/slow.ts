import { setTimeout as sleep } from 'node:timers/promises'

/** Answers after a while. */
export default async (): Promise<Response> => {
  await sleep(300)
  return new Response('slow')
}
