import { join } from 'node:path'
import type { Store } from '../control-plane/store.ts'
import type { ArtifactCode } from '../function/contract.ts'
import type { ListenerAddress } from '../http/listener.ts'
import { openArtifactStore } from '../loader/artifact-stores/open.ts'
import { RemoteArtifacts } from '../loader/remote-artifacts.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { artifactFamilies, memberFamilies, xdsFamilies } from './cluster-families.ts'
import { ClusterMember, type ClusterMemberOptions } from './cluster-member.ts'
import type { HostConfig } from './config.ts'
import { artifactsOf, openConfiguredStore } from './configured-store.ts'
import type { Host } from './host.ts'
import { nodeIdentity } from './node-identity.ts'
import type { XdsService } from './xds-service.ts'

export interface ClusterOptions {
  readonly config: HostConfig
  readonly log: Logger
  readonly host: Host
  readonly metrics: Metrics
  /** Where the host listens. */
  readonly address: ListenerAddress
  readonly deploy: ClusterMemberOptions['target']['deploy']
  /** Whether the host takes functions from the store and is known there as a node. */
  readonly servesFunctions: boolean
  /** Called when the host has become ready for requests, or is no longer. */
  readonly onReadiness: ClusterMemberOptions['onReadiness']
  /** The host cannot be part of the cluster. */
  readonly onFailure: (error: unknown) => void
}

/** All that a store adds to a host: functions, membership, artifacts, xDS. Opened and closed as one. */
export class Cluster implements AsyncDisposable {
  readonly #options: ClusterOptions
  readonly #store: Store
  readonly #artifacts: RemoteArtifacts
  #member: ClusterMember | undefined
  #xds: XdsService | undefined
  #closing: Promise<void> | undefined

  private constructor(options: ClusterOptions, store: Store, artifacts: RemoteArtifacts) {
    this.#options = options
    this.#store = store
    this.#artifacts = artifacts
  }

  /** Opens the store, and begins to do what it says. Does not wait for its answer. */
  static async join(options: ClusterOptions): Promise<Cluster> {
    const { config, log } = options
    // Before the store: its address may be a wrong one.
    const artifacts = remoteArtifacts(config, log)
    const store = await openConfiguredStore(config, log)
    const cluster = new Cluster(options, store, artifacts)
    try {
      await cluster.#start()
    } catch (error) {
      await cluster.close()
      throw error
    }
    return cluster
  }

  /** See that the code of an artifact is on the disk. @throws FezzError `ARTIFACT_UNAVAILABLE` */
  ensureArtifact(code: ArtifactCode): Promise<void> {
    return this.#artifacts.ensure(code)
  }

  /** Tells the others that no new requests should come. */
  drain(): void {
    this.#member?.setDraining('shutdown', true)
  }

  /** Leaves, and lets go of the store. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #start(): Promise<void> {
    const { config, log, host, metrics, servesFunctions, onReadiness } = this.#options
    if (config.xdsPort !== undefined) {
      // Loaded here alone: most hosts are asked for no configuration of Envoy.
      const { XdsService } = await import('./xds-service.ts')
      const xds = new XdsService({
        store: this.#store,
        host: config.xdsHost,
        port: config.xdsPort,
        listener: { address: config.envoyHost, port: config.envoyPort },
        functionTimeoutMs: config.functionTimeoutMs,
        log,
        onKnown: () => {
          if (!servesFunctions) onReadiness('ready')
        },
      })
      this.#xds = xds
      metrics.add(() => xdsFamilies(xds.status()))
      host.describe('xds', () => xds.status())
      await xds.start()
    }
    if (servesFunctions) await this.#joinAsNode()
  }

  async #joinAsNode(): Promise<void> {
    const { config, log, host, metrics, address, onReadiness, onFailure } = this.#options
    const member = new ClusterMember({
      config,
      store: this.#store,
      node: await nodeIdentity(config, address),
      target: { deploy: change => this.#deploy(change) },
      codeOf: reference => this.#artifacts.codeOf(reference),
      log,
      onReadiness,
    })
    this.#member = member
    metrics.add(() => memberFamilies(member.status()))
    metrics.add(() => artifactFamilies(this.#artifacts.status()))
    host.describe('controlPlane', () => member.status())
    host.describe('artifacts', () => this.#artifacts.status())
    member.start().catch(onFailure)
  }

  async #deploy(change: Parameters<ClusterOptions['deploy']>[0]) {
    const failures = await this.#options.deploy(change)
    // Ahead of the first request, which may come when the artifact store is away.
    const codes = (change.set ?? []).map(({ code }) => code)
    this.#artifacts.prefetch(codes.filter(code => code.kind === 'artifact'))
    return failures
  }

  async #close(): Promise<void> {
    try {
      await Promise.all([this.#member?.close(), this.#xds?.close()])
    } finally {
      await Promise.all([this.#artifacts.close(), this.#store.close()])
    }
  }
}

function remoteArtifacts(config: HostConfig, log: Logger): RemoteArtifacts {
  const address = artifactsOf(config)
  return new RemoteArtifacts({
    folder: join(config.cacheDir, 'fetched'),
    ...(address !== undefined && { store: openArtifactStore(address) }),
    maxBytes: config.artifactCacheBytes,
    log,
  })
}
