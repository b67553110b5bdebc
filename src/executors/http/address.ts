/** Where a server of HTTP/1.1 listens. */
export type Address =
  | { readonly socketPath: string }
  | {
      /** An IP address, or a name. */
      readonly host: string
      readonly port: number
    }

/** `address` for a message: `127.0.0.1:8080`, or the path of its socket. */
export function describeAddress(address: Address): string {
  return 'socketPath' in address ? address.socketPath : authorityOf(address)
}

/** Host and port as they stand in a URL; those of a socket mean nothing. */
export function authorityOf(address: Address): string {
  if ('socketPath' in address) return 'localhost'
  const { host, port } = address
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
