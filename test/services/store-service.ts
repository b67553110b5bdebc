import { join } from 'node:path'
import { BackgroundService } from './background-service.ts'
import { type Certificates, makeCertificates } from './certificates.ts'

export interface StoreServiceOptions {
  /** Speaks TLS only, with clients that have a certificate only. Default false. */
  readonly tls?: boolean
}

/** A server of one member that keeps data on disk and may speak TLS: etcd, Consul. */
export abstract class StoreService<Options extends StoreServiceOptions> extends BackgroundService {
  protected readonly portCount = 3
  protected readonly program: string
  protected readonly options: Options
  #certificates: Certificates | undefined

  constructor(program: string, options: Options) {
    super()
    this.program = program
    this.options = options
  }

  /** What clients connect to: `http://127.0.0.1:PORT`, with TLS `https:`. */
  get endpoint(): string {
    return `${this.options.tls === true ? 'https' : 'http'}://127.0.0.1:${this.port}`
  }

  get dataDir(): string {
    return join(this.folder, 'data')
  }

  /** Set with `tls`. */
  get certificates(): Certificates | undefined {
    return this.#certificates
  }

  /** Made at the first call. */
  protected async makeCertificates(): Promise<Certificates> {
    this.#certificates ??= await makeCertificates(join(this.folder, 'certificates'))
    return this.#certificates
  }
}
