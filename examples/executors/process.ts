import { Mandelbrot } from './_mandelbrot.ts'

/** curl http://localhost:8080/mandelbrot/process */
export const manifest = {
  path: '/mandelbrot/process',
  executor: 'process',
  memory: '128MiB',
  cpus: 1,
}

export default Mandelbrot
