import type { BackgroundService } from '../../services/background-service.ts'
import { envoyProgram, startEnvoy } from '../../services/envoy.ts'
import { haproxyProgram, startHaproxy } from '../../services/haproxy.ts'
import { nginxProgram, startNginx } from '../../services/nginx.ts'
import { envoyConfig, haproxyConfig, nginxConfig } from './proxy-configs.ts'

/** A running proxy, and where it takes requests. */
interface Proxy {
  readonly service: BackgroundService
  readonly port: number
}

export interface ProxyKind {
  readonly name: string
  /** `undefined`, said loudly, when there is none. */
  readonly program: () => Promise<string | undefined>
  /** Starts one in front of the host on that port of 127.0.0.1. */
  readonly start: (hostPort: number) => Promise<Proxy>
}

/** Who may stand in front of a host. */
export const PROXIES: readonly ProxyKind[] = [
  {
    name: 'nginx',
    program: nginxProgram,
    start: async hostPort => {
      const service = await startNginx({ http: port => nginxConfig(port, hostPort) })
      return { service, port: service.port }
    },
  },
  {
    name: 'HAProxy',
    program: haproxyProgram,
    start: async hostPort => {
      const service = await startHaproxy({ config: port => haproxyConfig(port, hostPort) })
      return { service, port: service.port }
    },
  },
  {
    name: 'Envoy',
    program: envoyProgram,
    start: async hostPort => {
      const service = await startEnvoy({ config: envoyConfig(hostPort), logLevel: 'error' })
      return { service, port: await service.listenerPort('web') }
    },
  },
]
