import { createHash } from 'node:crypto'
import { FunctionEntry } from '../../src/control-plane/function-entry.ts'
import { FolderArtifactStore } from '../../src/loader/artifact-stores/folder.ts'

const WRITERS = 32

/** Functions `f0`, `f1`, ... of one artifact, in a store. Each answers with its version. */
export class Functions {
  #functions
  #artifacts
  #versions = 0
  #sha256 = ''

  /** @param functions a FunctionStore @param artifacts folder of the hosts' artifact store */
  constructor(functions, artifacts) {
    this.#functions = functions
    this.#artifacts = new FolderArtifactStore(artifacts)
  }

  /** The version that the next put will have. */
  get nextVersion() {
    return String(this.#versions + 1)
  }

  /** Puts the first versions of `count` functions. @returns as {@link put}, of the last one */
  async putAll(count) {
    this.#sha256 = await this.#upload('first')
    return this.putEach(Array.from({ length: count }, (_, index) => index))
  }

  /** Puts a new version of each, some at a time. @returns as {@link put}, of the last one */
  async putEach(indexes) {
    const queue = indexes.slice(0, -1).values()
    const write = async () => {
      for (const index of queue) await this.put(index)
    }
    await Promise.all(Array.from({ length: WRITERS }, write))
    return this.put(indexes.at(-1))
  }

  /**
   * Puts a new version.
   *
   * @param index of the function
   * @param options `newCode`: with an artifact of its own; `newPath`: with one more route, `/v` and
   *   the version under that of the function; `idleTtl`
   * @returns the version, when the put began and how long the store took for it
   */
  async put(index, { newCode = false, newPath = false, idleTtl } = {}) {
    const version = String(++this.#versions)
    const sha256 = newCode ? await this.#upload(version) : this.#sha256
    const path = `/f${index}`
    const entry = new FunctionEntry({
      id: `f${index}`,
      version,
      routes: newPath ? [path, `${path}/v${version}`] : [path],
      ...(idleTtl !== undefined && { idleTtl }),
    }).artifact({ sha256 })
    const startedAt = performance.now()
    await this.#functions.register(entry)
    return { version, startedAt, putMs: performance.now() - startedAt }
  }

  async #upload(name) {
    const bundle = Buffer.from(`// ${name}
module.exports = { default: class { fetch(request, { version }) { return new Response(version) } } }
`)
    const sha256 = createHash('sha256').update(bundle).digest('hex')
    await this.#artifacts.write({ sha256, bundle })
    return sha256
  }
}
