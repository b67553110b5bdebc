import { resolve } from 'node:path'
import type { Deployment, ImageCode, ProgramCode } from '../../function/contract.ts'
import { invalidFunction } from '../../function/manifest.ts'
import type { ArtifactDeployment } from '../channel/remote-instance.ts'
import { nodeCommand, nodeReads } from './node-files.ts'

/** Where a container finds the folder that it shares with the host. */
const SHARED = '/run/fezz'
/** The one socket in it, named as in run-folder.ts: a program's, or a runner's channel. */
const SOCKET_PATH = `${SHARED}/http.sock`
const IMAGE_PORT = 80
const PROGRAM_PORT = 8080

/** What of a container follows from the code and the manifest. */
export interface ContainerPlan {
  readonly image: string
  /** In place of the image's entry point and command. */
  readonly command?: readonly string[]
  readonly workingFolder?: string
  readonly env: Readonly<Record<string, string>>
  /** Paths that it reads, the same inside as outside. */
  readonly reads: readonly string[]
  /** Where it finds the folder that it shares with the host; absent: it has none. */
  readonly shared?: string
  /** The port on which it serves; absent: it serves on a socket alone, or is a runner. */
  readonly port?: number
}

/**
 * @param nodeImage for JavaScript
 * @throws FezzError `INVALID_MANIFEST` for code that no container can run
 */
export function planContainer(
  deployment: Deployment,
  nodeImage: string | undefined,
): ContainerPlan {
  const { manifest, code } = deployment
  switch (code.kind) {
    case 'image':
      return planImage(deployment, code)
    case 'program':
      return planProgram(deployment, code)
    case 'artifact':
      return planArtifact({ ...deployment, code }, nodeImage)
    case 'live':
      throw invalidFunction(manifest.id, 'a value of the host cannot run in a container')
  }
}

function planImage({ manifest, env }: Deployment, code: ImageCode): ContainerPlan {
  const { network = true, handlerPort = IMAGE_PORT } = manifest.execution
  const common = { image: code.image, reads: [], ...(code.command && { command: code.command }) }
  const told = { ...env, PORT: String(handlerPort) }
  if (network) return { ...common, env: told, port: handlerPort }
  return { ...common, env: { ...told, FEZZ_SOCKET: SOCKET_PATH }, shared: SHARED }
}

function planProgram({ manifest, env }: Deployment, code: ProgramCode): ContainerPlan {
  const { network = true, handlerPort = PROGRAM_PORT, image = code.image } = manifest.execution
  if (code.protocol === 'bootstrap') {
    throw invalidFunction(
      manifest.id,
      'a program of protocol "bootstrap" cannot run in a container',
    )
  }
  if (image === undefined) {
    throw invalidFunction(
      manifest.id,
      'no image is known for its program: write image, or executor: "process"',
    )
  }
  const [program = '', ...args] = code.command
  // Who is not root may not connect to what root makes in a container, if not by the network.
  const hasSocket = !network || process.getuid?.() === 0
  return {
    image,
    // A bare name is looked up in PATH, as a shell does it.
    command: [program.includes('/') ? resolve(code.folder, program) : program, ...args],
    workingFolder: code.folder,
    env: {
      ...code.env,
      ...env,
      PORT: String(handlerPort),
      ...(hasSocket && { FEZZ_SOCKET: SOCKET_PATH }),
      FEZZ_FUNCTION_ID: manifest.id,
      FEZZ_FUNCTION_VERSION: manifest.version,
    },
    reads: [code.folder, ...code.reads],
    ...(hasSocket && { shared: SHARED }),
    ...(network && { port: handlerPort }),
  }
}

function planArtifact(
  { manifest, code }: ArtifactDeployment,
  nodeImage: string | undefined,
): ContainerPlan {
  const image = manifest.execution.image ?? nodeImage
  if (image === undefined) {
    throw invalidFunction(
      manifest.id,
      'no image with Node is known: set nodeImage, or write executor: "process"',
    )
  }
  const { command, env } = nodeCommand(SOCKET_PATH)
  return { image, command, env, reads: nodeReads(code), shared: SHARED }
}
