import { answers, type Cases, outcome, type Sent, tells } from './case.ts'

const MULTIPART = [
  '--edge',
  'Content-Disposition: form-data; name="a"',
  '',
  'one',
  '--edge',
  'Content-Disposition: form-data; name="a"',
  '',
  'zw\u00f6lf',
  '--edge',
  'Content-Disposition: form-data; name="f"; filename="f.csv"',
  'Content-Type: text/csv',
  '',
  '1,2\r\n3,4',
  '--edge--',
  '',
].join('\r\n')

const multipart = (body: string): Sent => ({
  method: 'POST',
  headers: { 'content-type': 'multipart/form-data; boundary=edge' },
  body,
})
const urlencoded = (body: string): Sent => ({
  method: 'POST',
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body,
})

/** FormData and URLSearchParams, in and out. */
export const formCases: Cases = {
  'multipart: fields and a file': tells(async request => {
    const form = await request.formData()
    const file = form.get('f') as File
    return [
      form.getAll('a'),
      [...form.keys()],
      file instanceof File,
      file.name,
      file.type,
      file.size,
      await file.text(),
    ]
  }, multipart(MULTIPART)),
  'multipart: without its end': tells(
    request => outcome(async () => [...(await request.formData())]),
    multipart('--edge\r\nContent-Disposition: form-data; name="a"\r\n\r\none'),
  ),
  'multipart: empty': tells(
    request => outcome(async () => [...(await request.formData())]),
    multipart('--edge--\r\n'),
  ),
  'multipart: without a boundary': tells(
    request => outcome(async () => [...(await request.formData())]),
    { method: 'POST', headers: { 'content-type': 'multipart/form-data' }, body: MULTIPART },
  ),
  'urlencoded: parsed': tells(
    async request => [...(await request.formData())],
    urlencoded('a=1&a=2&b=%20+%C3%BC&c&=d&%zz=1'),
  ),
  'urlencoded: empty': tells(async request => [...(await request.formData())], urlencoded('')),
  'neither of them': tells(request => outcome(() => request.formData()), {
    method: 'POST',
    headers: { 'content-type': 'text/plain' },
    body: 'a=1',
  }),
  'no content type': tells(request => outcome(() => request.formData()), {
    method: 'POST',
    body: 'a=1',
  }),
  'used twice': tells(async request => {
    await request.formData()
    return [request.bodyUsed, await outcome(() => request.formData())]
  }, urlencoded('a=1')),
  'set, append, delete, get': tells(() => {
    const form = new FormData()
    form.append('a', '1')
    form.append('b', '2')
    form.append('a', '3')
    form.set('b', '4')
    form.append('c', '5')
    form.delete('c')
    return [[...form], form.get('a'), form.get('none'), form.has('c')]
  }),
  'created: the multipart text': tells(async () => {
    const form = new FormData()
    form.append('a', 'one\ntwo')
    form.append('q"\r\n', '"')
    form.append('f', new File(['content'], 'f "1".txt', { type: 'text/plain' }))
    const response = new Response(form)
    const [type, boundary] = response.headers.get('content-type')!.split('; boundary=')
    const text = await response.text()
    return [type, text.replaceAll(boundary!.replaceAll('"', ''), 'EDGE')]
  }),
  'created: read back': tells(async () => {
    const form = new FormData()
    form.append('a', 'gr\u00fc\u00dfe')
    form.append('f', new Blob(['content'], { type: 'text/plain' }), 'f.txt')
    const copy = await new Response(form).formData()
    const file = copy.get('f') as File
    return [copy.get('a'), file.name, file.type, await file.text()]
  }),
  'created: a Blob is a file named blob': tells(() => {
    const form = new FormData()
    form.append('f', new Blob(['a']))
    const file = form.get('f') as File
    return [file instanceof File, file.name]
  }),
  'created: sent as a request': tells(async () => {
    const form = new FormData()
    form.append('a', '1')
    const request = new Request('http://other.test/', { method: 'POST', body: form })
    const type = request.headers.get('content-type')!.split(';')[0]
    return [type, [...(await request.formData())]]
  }),
  'URLSearchParams: parsed and changed': tells(() => {
    const params = new URLSearchParams('?b=2&a=1&b=%20')
    params.append('c', '\u00fc&=')
    params.delete('b', '2')
    params.sort()
    return [params.toString(), params.get('b'), params.has('b', '2'), params.size]
  }),
  'URLSearchParams: as a body': answers(
    () =>
      new Response(
        new URLSearchParams([
          ['a', '1 2'],
          ['a', '~*\u00fc'],
        ]),
      ),
  ),
}
