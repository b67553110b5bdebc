import { Container } from './containers.ts'
import { testImage } from './images.ts'
import { startPodman } from './podman.ts'

/** Starts a podman and a container, tells what they are, and waits to be killed. */
const podman = await startPodman()
const { id } = await Container.start(podman.api, { Image: await testImage(podman, 'hello') })
console.log(JSON.stringify({ folder: podman.folder, pid: podman.pid, container: id }))
