// `node examples/cluster/load.ts [seconds] [url]`: 16 clients ask one after the other, as fast as they
// get answers; at the end, what those were.
const [seconds = '10', url = 'http://127.0.0.1:10000/hello'] = process.argv.slice(2)
const untilMs = performance.now() + Number(seconds) * 1000
const counts = new Map<string, number>()
let slowestMs = 0

async function client(): Promise<void> {
  while (performance.now() < untilMs) {
    const startedMs = performance.now()
    const answer = await fetch(url)
      .then(async response => `${response.status} ${(await response.text()).trim().slice(0, 60)}`)
      .catch((error: Error) => `${error.message}: ${String(error.cause)}`)
    slowestMs = Math.max(slowestMs, performance.now() - startedMs)
    counts.set(answer, (counts.get(answer) ?? 0) + 1)
  }
}

await Promise.all(Array.from({ length: 16 }, client))
for (const [answer, count] of counts) console.log(`${String(count).padStart(7)}  ${answer}`)
console.log(`slowest ${Math.round(slowestMs)} ms`)
