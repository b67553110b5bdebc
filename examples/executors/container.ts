import { Mandelbrot } from './_mandelbrot.ts'

/** curl http://localhost:8080/mandelbrot/container */
export const manifest = {
  path: '/mandelbrot/container',
  executor: 'container',
  memory: '128MiB',
  network: false,
}

export default Mandelbrot
