import { FezzError } from '../../errors.ts'
import type { FunctionContext, Instance, InstanceExit } from '../../function/contract.ts'
import { onRequestAbort, toIncoming } from '../../http/web/incoming-request.ts'
import { bootstrapInput, bootstrapResponse } from './bootstrap-protocol.ts'
import type { ContainedProcess } from './contained-process.ts'

export interface BootstrapOptions {
  /** Starts the program with that on its standard input. */
  run(input: string): ContainedProcess
  /** Of what one run may write to standard output. */
  readonly maxOutputBytes: number
  /** Called once, after the last run has ended. */
  release(): void
}

/** A program that is run once for each request; there is nothing of it in between. */
export class BootstrapInstance implements Instance {
  /** Nothing lives between two requests that could die. */
  readonly exited = new Promise<InstanceExit>(() => {})
  readonly #options: BootstrapOptions
  readonly #runs = new Set<ContainedProcess>()
  #unloading: Promise<void> | undefined

  constructor(options: BootstrapOptions) {
    this.#options = options
  }

  /**
   * @throws FezzError `FUNCTION_ERROR` when the program fails, writes too much, or what it writes
   *   is no response; `INSTANCE_EXITED` after {@link unload}; what reading the request's body throws
   * @throws the reason for which the request was aborted
   */
  async fetch(input: Request, context: FunctionContext): Promise<Response> {
    const request = toIncoming(input)
    const aborted = Promise.withResolvers<never>()
    // Whoever listens has left when it comes late.
    aborted.promise.catch(() => {})
    let run: ContainedProcess | undefined
    let isAborted = false
    onRequestAbort(request, reason => {
      isAborted = true
      run?.kill('killed', 'its request was aborted')
      aborted.reject(reason)
    })
    const text = await Promise.race([bootstrapInput(request, context), aborted.promise])
    if (isAborted) return aborted.promise
    this.#refuseIfUnloaded()
    run = this.#options.run(text)
    return Promise.race([this.#answer(run), aborted.promise])
  }

  /** Ends the runs under way. */
  unload(): Promise<void> {
    this.#unloading ??= this.#unload()
    return this.#unloading
  }

  async #unload(): Promise<void> {
    for (const run of this.#runs) run.kill('killed', 'the function was unloaded')
    await Promise.all(Array.from(this.#runs, ({ ended }) => ended))
    this.#options.release()
  }

  #refuseIfUnloaded(): void {
    if (this.#unloading === undefined) return
    throw new FezzError('INSTANCE_EXITED', 'the instance has been unloaded')
  }

  async #answer(run: ContainedProcess): Promise<Response> {
    this.#runs.add(run)
    const { maxOutputBytes } = this.#options
    const pieces: Buffer[] = []
    let sizeBytes = 0
    run.stdout.on('data', (piece: Buffer) => {
      sizeBytes += piece.length
      if (sizeBytes <= maxOutputBytes) pieces.push(piece)
      else run.kill('killed', `it wrote more than ${maxOutputBytes} bytes`)
    })
    const { code, error } = await run.ended
    this.#runs.delete(run)
    this.#refuseIfUnloaded()
    if (sizeBytes > maxOutputBytes) {
      const message = `the program wrote more than maxOutput, ${maxOutputBytes} bytes`
      throw new FezzError('FUNCTION_ERROR', message, { cause: error })
    }
    if (code === 0) return bootstrapResponse(Buffer.concat(pieces))
    throw new FezzError('FUNCTION_ERROR', 'the program failed', { cause: error })
  }
}
