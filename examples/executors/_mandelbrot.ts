/** A function with some work to do: how much of the square is in the Mandelbrot set. */
export class Mandelbrot {
  #answers = 0

  fetch(): Response {
    this.#answers++
    const share = shareInside(64, 200)
    return Response.json({ share, answers: this.#answers, pid: process.pid })
  }
}

function shareInside(side: number, steps: number): number {
  let inside = 0
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      if (isInside((column / side) * 3 - 2, (row / side) * 3 - 1.5, steps)) inside++
    }
  }
  return inside / side ** 2
}

function isInside(real: number, imaginary: number, steps: number): boolean {
  let x = 0
  let y = 0
  for (let step = 0; step < steps; step++) {
    const next = x * x - y * y + real
    y = 2 * x * y + imaginary
    x = next
    if (x * x + y * y > 4) return false
  }
  return true
}
