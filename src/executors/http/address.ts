/** Where a server of HTTP/1.1 listens. */
export type Address =
  | { readonly socketPath: string }
  | {
      /** An IP address, or a name. */
      readonly host: string
      readonly port: number
    }

/** Host and port as they stand in a URL; those of a socket mean nothing. */
export function authorityOf(address: Address): string {
  if ('socketPath' in address) return 'localhost'
  const { host, port } = address
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
