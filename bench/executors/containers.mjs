import { existsSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { projectFolder } from '../fixtures.mjs'
import { moveToServerCore } from '../machine.mjs'

/**
 * A container engine: the one of DOCKER_HOST, else a podman of the tests' own.
 * @returns `settings` for a host, `image` of an HTTP server on port 80, `memory()` of all running containers, `close()`; or `unavailable`
 */
export async function openContainers(report) {
  const { DOCKER_HOST } = process.env
  if (DOCKER_HOST !== undefined) {
    const { BENCH_NODE_IMAGE: node, BENCH_IMAGE: hello } = process.env
    return engineAt(DOCKER_HOST, { node, hello }, async () => {})
  }
  try {
    report('a podman for the containers')
    const services = name => import(pathToFileURL(join(projectFolder, 'test', 'services', name)))
    const { startPodman } = await services('podman.ts')
    const podman = await startPodman()
    const close = () => podman[Symbol.asyncDispose]()
    try {
      const { testImages } = await services('images.ts')
      const images = await testImages(podman)
      // Its containers too, then: they are instances as others are.
      moveToServerCore(podman.pid)
      return engineAt(podman.endpoint, images, close)
    } catch (error) {
      await close()
      throw error
    }
  } catch (error) {
    return { unavailable: `set DOCKER_HOST: ${error.message}`, close: async () => {} }
  }
}

function engineAt(endpoint, { node, hello }, close) {
  const settings = {
    FEZZ_CONTAINER_ENGINE: endpoint,
    ...(node !== undefined && { FEZZ_NODE_IMAGE: node }),
  }
  return { settings, image: hello, memory: () => memoryOfAll(endpoint), close }
}

/** What the engine says that all running containers use; `undefined` where it cannot be asked. */
async function memoryOfAll(endpoint) {
  const socketPath = endpoint.replace(/^unix:\/\//, '')
  if (!existsSync(socketPath)) return undefined
  const containers = await get(socketPath, '/containers/json')
  const stats = await Promise.all(
    containers.map(({ Id }) =>
      get(socketPath, `/containers/${Id}/stats?stream=false&one-shot=true`),
    ),
  )
  const bytes = stats.reduce((sum, { memory_stats: { usage = 0 } }) => sum + usage, 0)
  return { cgroupBytes: bytes }
}

function get(socketPath, path) {
  return new Promise((resolve, reject) => {
    request({ socketPath, path: `/v1.41${path}` }, async answer => {
      let text = ''
      for await (const chunk of answer) text += chunk
      if (answer.statusCode === 200) resolve(JSON.parse(text))
      else reject(new Error(`GET ${path}: ${answer.statusCode} ${text}`))
    })
      .on('error', reject)
      .end()
  })
}
