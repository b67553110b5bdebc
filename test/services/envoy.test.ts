import { describe, expect, it } from 'vitest'
import { envoyProgram, startEnvoy } from './envoy.ts'

const HELLO = `
static_resources:
  listeners:
    - name: web
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      filter_chains:
        - filters:
            - name: http
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: web
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: { prefix: / }
                          direct_response: { status: 200, body: { inline_string: hello } }
                http_filters:
                  - name: router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
`

describe.skipIf((await envoyProgram()) === undefined)('Envoy', () => {
  it('serves its configuration, also after it was killed and started again', async () => {
    await using envoy = await startEnvoy({ config: HELLO })
    const { endpoint } = envoy
    expect(await greeting(await envoy.listenerPort('web'))).toBe('hello')
    expect((await envoy.stats('^http.web.downstream_rq_2xx$')).get(RQ_2XX)).toBe(1)
    await envoy.kill()
    await expect(fetch(`${endpoint}/ready`)).rejects.toThrow()
    await envoy.restart()
    expect(envoy.endpoint).toBe(endpoint)
    expect(await greeting(await envoy.listenerPort('web'))).toBe('hello')
  })

  it('says what is wrong with a configuration that it refuses', async () => {
    await expect(startEnvoy({ config: 'no_such_field: 1' })).rejects.toThrow('no_such_field')
  })

  it('runs beside another of itself', async () => {
    await using one = await startEnvoy()
    await using two = await startEnvoy()
    expect(await one.admin('/ready')).toBe('LIVE\n')
    expect(await two.admin('/ready')).toBe('LIVE\n')
  })
})

const RQ_2XX = 'http.web.downstream_rq_2xx'

async function greeting(port: number): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}/`)).text()
}
