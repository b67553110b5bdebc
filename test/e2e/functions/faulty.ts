import { FezzFunction } from 'fezz/decorators'

/** Fails in each way that user code can. */
@FezzFunction('faulty', '/faulty/:how')
export class Faulty {
  async fetch(
    _request: Request,
    { params }: { params: Readonly<Record<string, string>> },
  ): Promise<Response> {
    switch (params['how']) {
      case 'throw':
        throw new TypeError('the secret reason', { cause: new Error('the secret cause') })
      case 'reject':
        void Promise.reject(new Error('nobody catches this'))
        break
      case 'timer':
        setTimeout(() => {
          throw new Error('thrown in a timer')
        })
        break
      case 'not-a-response':
        return 42 as unknown as Response
    }
    return new Response('fine')
  }
}
