import { LittleServer } from './little-server.ts'

/** Starts a server, tells its id and folder, and waits to be killed. */
const server = await new LittleServer().start()
console.log(JSON.stringify({ pid: server.pid, folder: server.folder }))
