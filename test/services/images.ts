import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { lock } from './cache.ts'
import { DockerApi } from './docker-api.ts'
import { helloFiles, type ImageFiles, nodeFiles, pythonFiles } from './image-files.ts'
import type { PodmanAddress } from './podman-service.ts'

/** An image that tests may run. No registry has it: it is made out of files of this machine. */
export type TestImage = 'hello' | 'node' | 'python'

/** With a host in front: without one it would be looked for at Docker's. */
const NAMES: Readonly<Record<TestImage, string>> = {
  hello: 'localhost/fezz-test/hello:latest',
  node: 'localhost/fezz-test/node:latest',
  python: 'localhost/fezz-test/python:latest',
}

const FILES: Readonly<Record<TestImage, () => Promise<ImageFiles>>> = {
  hello: helloFiles,
  node: nodeFiles,
  python: pythonFiles,
}

/**
 * Makes an image in a service of podman, where it is not there yet; whoever else wants it, in
 * another process too, waits for that.
 *
 * - `hello`: a static server in Go on port 80, or `PORT`; see images/hello/main.go.
 * - `node`: the Node that runs this test as `/usr/bin/node`, with its libraries; it runs nothing.
 * - `python`: `/usr/bin/python3` with its standard library; it runs nothing.
 *
 * @returns its name
 * @throws when this machine lacks what it is made of
 */
export async function testImage(
  { socketPath }: Pick<PodmanAddress, 'socketPath'>,
  image: TestImage,
): Promise<string> {
  const api = new DockerApi(socketPath)
  const name = NAMES[image]
  if (await has(api, name)) return name
  const unlock = await lock(`${socketPath}.${image}.lock`)
  try {
    if (!(await has(api, name))) await importImage(api, name, await FILES[image]())
    return name
  } finally {
    await unlock()
  }
}

/** All of them; see {@link testImage}. */
export async function testImages(
  service: Pick<PodmanAddress, 'socketPath'>,
): Promise<Readonly<Record<TestImage, string>>> {
  for (const image of Object.keys(NAMES) as TestImage[]) await testImage(service, image)
  return NAMES
}

async function has(api: DockerApi, name: string): Promise<boolean> {
  return (await api.call('GET', `/images/${name}/json`)).status === 200
}

async function importImage(api: DockerApi, name: string, image: ImageFiles): Promise<void> {
  const tar = spawn('tar', ['--create', ...image.tar], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(tar, 'exit')
  const [repo = '', tag = ''] = name.split(/:(?=\w+$)/)
  const query = new URLSearchParams({ fromSrc: '-', repo, tag })
  for (const change of image.changes) query.append('changes', change)
  await api.do('POST', `/images/create?${query}`, tar.stdout)
  const [code] = await ended
  if (code !== 0) throw new Error(`tar ended with ${code}: ${name} lacks files`)
}
