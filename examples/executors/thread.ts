import { Mandelbrot } from './_mandelbrot.ts'

/** curl http://localhost:8080/mandelbrot/thread */
export const manifest = { path: '/mandelbrot/thread', executor: 'thread', memory: '64MiB' }

export default Mandelbrot
