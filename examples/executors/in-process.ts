import { Mandelbrot } from './_mandelbrot.ts'

/** curl http://localhost:8080/mandelbrot/in-process */
export const manifest = { path: '/mandelbrot/in-process', executor: 'in-process' }

export default Mandelbrot
