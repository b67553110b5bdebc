/** File descriptor of the socket between the host and a runner process. */
export const CHANNEL_FD = 3

/** Names the socket to the host, for a runner that cannot inherit one. */
export const CHANNEL_VARIABLE = 'FEZZ_CHANNEL'

/** Where Node keeps compiled code, see `module.enableCompileCache`. */
export const COMPILE_CACHE_VARIABLE = 'NODE_COMPILE_CACHE'
