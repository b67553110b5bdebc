import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'

/** The two configurations that are shipped. */
export const KINDS = ['static', 'dynamic'] as const
export type Kind = (typeof KINDS)[number]

const FOLDER = resolve(import.meta.dirname, '../../../envoy')

/** `envoy/static.yaml` with this listener and these hosts; everything else is what users get. */
export async function staticConfig(port: number, hosts: readonly number[]): Promise<string> {
  const text = await readFile(resolve(FOLDER, 'static.yaml'), 'utf8')
  return withAddresses(text, 'fezz', 8080, hosts).replace(
    'address: 0.0.0.0, port_value: 80 }',
    `address: 127.0.0.1, port_value: ${port} }`,
  )
}

/** `envoy/dynamic.yaml` with these xDS servers; everything else is what users get. */
export async function dynamicConfig(servers: readonly number[]): Promise<string> {
  const text = await readFile(resolve(FOLDER, 'dynamic.yaml'), 'utf8')
  return withAddresses(text, 'fezz', 18_000, servers)
}

/** Puts `127.0.0.1:port` in the place of the lines with `name-1`, `name-2`, ... */
function withAddresses(text: string, name: string, port: number, ports: readonly number[]): string {
  const line = new RegExp(
    `^( *)- endpoint: .*address: ${name}-\\d, port_value: ${port} .*\\n`,
    'gm',
  )
  const [first] = text.matchAll(line)
  if (first === undefined) throw new Error(`there are no addresses ${name}-N in the file`)
  const endpoints = ports.map(
    own =>
      `${first[1]}- endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${own} } } }\n`,
  )
  const placed = text.replace(line, '')
  return placed.slice(0, first.index) + endpoints.join('') + placed.slice(first.index)
}
