/** What Chrome sends with a same-site navigation; with wrk's Host they are ten, about 600 bytes. */
const BROWSER_HEADERS = {
  'User-Agent':
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36',
  Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'Accept-Language': 'en-GB,en;q=0.9,de;q=0.8',
  'Accept-Encoding': 'gzip, deflate, br, zstd',
  Cookie: 'session=4f1c9e0b7a6d4c2f8e3b5a1d9c7f6e20; theme=dark; _ga=GA1.1.1172937.1764579',
  Referer: 'https://www.example.com/products/list?page=2',
  'sec-ch-ua': '"Google Chrome";v="143", "Chromium";v="143", "Not A(Brand";v="24"',
  'sec-ch-ua-mobile': '?0',
  'sec-ch-ua-platform': '"Linux"',
}

const HELLO = {
  handler: 'hello',
  method: 'GET',
  path: '/hello',
  connections: 64,
  type: 'text/plain',
  answer: 'Hello, World!',
}

const ECHO = {
  handler: 'echo',
  method: 'POST',
  path: '/echo',
  connections: 64,
  headers: { 'Content-Type': 'application/octet-stream' },
  type: 'application/octet-stream',
}

/**
 * The work that servers are compared in, each a table.
 * `name` is for the command line; `handler` names that of servers/http/; `method`, `path`, `headers`
 * and `bodyBytes` are the request; `connections` have one of them under way each. The right answer
 * is a 200 of the media type `type` with the body `answer`, by default that of the request.
 */
export const SCENARIOS = [
  { ...HELLO, name: 'hello', title: 'GET, 64 connections' },
  { ...HELLO, name: 'many', title: 'GET, 1,024 connections', connections: 1_024 },
  { ...HELLO, name: 'headers', title: 'GET, 10 headers', headers: BROWSER_HEADERS },
  { ...ECHO, name: 'echo-1k', title: 'POST echo, 1 KB', bodyBytes: 2 ** 10 },
  {
    ...ECHO,
    name: 'echo-1m',
    title: 'POST echo, 1 MB, 16 connections',
    bodyBytes: 2 ** 20,
    connections: 16,
  },
  {
    ...HELLO,
    name: 'json',
    title: 'GET, JSON',
    handler: 'json',
    path: '/json',
    type: 'application/json',
    answer: '{"message":"Hello, World!"}',
  },
]
