import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decode, encode } from '../../src/xds/codec.ts'
import { VARIANTS, type Variant } from '../../src/xds/discovery.ts'
import {
  type ResourceKind,
  type ResourceMap,
  resourceOf,
  type Snapshot,
  TYPE_NAMES,
} from '../../src/xds/resource.ts'
import { XdsStream } from '../../src/xds/xds-stream.ts'

const NAMES = ['a', 'b', 'c'] as const
const PACKAGE = 'envoy.service.discovery.v3'
const nothing: ResourceMap = new Map()

const command = fc.oneof(
  fc.record({
    do: fc.constant('publish' as const),
    contents: fc.array(fc.nat(2), { maxLength: 3 }),
  }),
  fc.record({ do: fc.constant('subscribe' as const), name: fc.constantFrom(...NAMES) }),
  fc.record({ do: fc.constant('unsubscribe' as const), name: fc.constantFrom(...NAMES) }),
  fc.record({ do: fc.constantFrom('accept' as const, 'refuse' as const, 'reconnect' as const) }),
)

/** Resources `a`, `b`, `c` with these contents; there is none for 0. */
function resources(kind: ResourceKind, contents: readonly number[]): ResourceMap {
  const field = kind === 'clusters' ? 'name' : 'cluster_name'
  const entries = NAMES.flatMap((name, index) => {
    const content = contents[index] ?? 0
    if (content === 0) return []
    return [[name, resourceOf(kind, name, { [field]: `${name}${content}` })] as const]
  })
  return new Map(entries)
}

/** A client that keeps to the protocol, and a server that it may lose and find again. */
class Client {
  readonly held = new Map<string, string>()
  readonly names = new Set<string>()
  readonly #kind: ResourceKind
  readonly #variant: Variant
  readonly #inbox: Uint8Array[] = []
  #snapshot: Snapshot
  #stream!: XdsStream
  #version = ''
  #nonce = ''

  constructor(kind: ResourceKind, variant: Variant) {
    this.#kind = kind
    this.#variant = variant
    this.#snapshot = this.#made(nothing)
    this.connect()
  }

  connect(): void {
    this.#inbox.length = 0
    this.#nonce = ''
    this.#stream = new XdsStream({
      variant: this.#variant,
      peer: 'test',
      send: bytes => void this.#inbox.push(bytes),
      onVerdict: () => {},
    })
    const initial_resource_versions = Object.fromEntries(this.held)
    this.#send({ initial_resource_versions, resource_names_subscribe: [...this.names] })
  }

  publish(map: ResourceMap): void {
    this.#snapshot = this.#made(map)
    this.#stream.refresh(this.#snapshot)
  }

  subscribe(name: string): void {
    if (this.names.has(name)) return
    this.names.add(name)
    this.#send({ resource_names_subscribe: [name] })
  }

  unsubscribe(name: string): void {
    if (!this.names.delete(name)) return
    this.held.delete(name)
    this.#send({ resource_names_unsubscribe: [name] })
  }

  /** @returns whether there was a response to answer */
  answer(isAccepted: boolean): boolean {
    const bytes = this.#inbox.shift()
    if (bytes === undefined) return false
    if (this.#variant === 'delta') this.#answerDelta(bytes, isAccepted)
    else this.#answerSotw(bytes, isAccepted)
    return true
  }

  #answerDelta(bytes: Uint8Array, isAccepted: boolean): void {
    const response = decode<{
      nonce: string
      resources: { name: string; version: string }[]
      removed_resources: string[]
    }>(`${PACKAGE}.DeltaDiscoveryResponse`, bytes)
    this.#nonce = response.nonce
    if (isAccepted) {
      for (const { name, version } of response.resources) {
        if (this.#wants(name)) this.held.set(name, version)
      }
    }
    // Envoy takes out what it is told to, also where it refuses another resource of the response.
    for (const name of response.removed_resources) this.held.delete(name)
    this.#send({}, isAccepted)
    this.#nonce = ''
  }

  #answerSotw(bytes: Uint8Array, isAccepted: boolean): void {
    const response = decode<{
      nonce: string
      version_info: string
      resources: { value: Buffer }[]
    }>(`${PACKAGE}.DiscoveryResponse`, bytes)
    this.#nonce = response.nonce
    if (isAccepted) {
      this.#version = response.version_info
      if (this.#kind === 'clusters') this.held.clear()
      for (const { value } of response.resources) {
        const message = decode<Record<string, string>>(TYPE_NAMES[this.#kind], value)
        const content = message['cluster_name'] ?? message['name']!
        const name = content[0]!
        const contents = NAMES.map(other => (other === name ? Number(content[1]) : 0))
        const { version } = resources(this.#kind, contents).get(name)!
        if (this.#wants(name)) this.held.set(name, version)
      }
    }
    this.#send({}, isAccepted)
  }

  #wants(name: string): boolean {
    return this.#kind === 'clusters' || this.names.has(name)
  }

  #send(deltaFields: Readonly<Record<string, unknown>>, isAccepted = true): void {
    const common = {
      type_url: `type.googleapis.com/${TYPE_NAMES[this.#kind]}`,
      response_nonce: this.#nonce,
      ...(!isAccepted && { error_detail: { code: 3, message: 'no' } }),
    }
    const bytes =
      this.#variant === 'delta'
        ? encode(`${PACKAGE}.DeltaDiscoveryRequest`, { ...common, ...deltaFields })
        : encode(`${PACKAGE}.DiscoveryRequest`, {
            ...common,
            version_info: this.#version,
            resource_names: [...this.names],
          })
    this.#stream.receive(bytes, this.#snapshot)
  }

  #made(map: ResourceMap): Snapshot {
    const empty = { clusters: nothing, endpoints: nothing, listeners: nothing, routes: nothing }
    return { ...empty, [this.#kind]: map }
  }
}

describe.each(VARIANTS)('over %s', variant => {
  it.each(['clusters', 'endpoints'] as const)(
    'a client ends with the %s there are, whatever came before',
    kind => {
      const check = fc.property(fc.array(command, { maxLength: 40 }), commands => {
        const client = new Client(kind, variant)
        for (const step of commands) {
          if (step.do === 'publish') client.publish(resources(kind, step.contents))
          else if (step.do === 'reconnect') client.connect()
          else if (step.do === 'accept' || step.do === 'refuse') client.answer(step.do === 'accept')
          else if (kind === 'endpoints' && 'name' in step) client[step.do](step.name)
        }
        while (client.answer(true));
        // All of it new: what was refused is not sent again until it changes.
        const last = resources(kind, [3, 0, 5])
        client.publish(last)
        let rounds = 0
        while (client.answer(true)) rounds++
        expect(rounds).toBeLessThanOrEqual(2)
        const wanted = [...last.values()].filter(
          ({ name }) => kind === 'clusters' || client.names.has(name),
        )
        // The state of the world has no word for single resources that are gone.
        if (variant === 'sotw' && kind === 'endpoints') client.held.delete('b')
        expect(client.held).toEqual(new Map(wanted.map(({ name, version }) => [name, version])))
      })
      fc.assert(check, { numRuns: 500 })
    },
  )

  it('bytes that are no request never do more than fail', () => {
    const check = fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
      const options = { variant, peer: 'test', send: () => {}, onVerdict: () => {} }
      const stream = new XdsStream(options)
      try {
        stream.receive(bytes, undefined)
      } catch (error) {
        expect(error).toBeInstanceOf(Error)
      }
      expect(stream.status().variant).toBe(variant)
    })
    fc.assert(check, { numRuns: 500 })
  })
})
