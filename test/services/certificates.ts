import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './run.ts'

/** Files in PEM of one certificate authority that signed both a server and a client. */
export interface Certificates {
  readonly ca: string
  readonly serverCert: string
  readonly serverKey: string
  readonly clientCert: string
  readonly clientKey: string
}

/** Makes certificates for 127.0.0.1 and localhost in `folder` with openssl, for one day. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  await mkdir(folder, { recursive: true })
  const file = (name: string) => join(folder, name)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const authority = [...key, '-x509', '-days', '1', '-subj', '/CN=Test authority']
  const out = ['-keyout', file('ca.key'), '-out', file('ca.pem')]
  await run('openssl', ['req', ...authority, ...out])
  for (const name of ['server', 'client']) {
    const request = ['-keyout', file(`${name}.key`), '-out', file(`${name}.csr`)]
    await run('openssl', ['req', ...key, '-subj', `/CN=${name}`, ...request])
    await writeFile(file(`${name}.ext`), EXTENSIONS)
    const signer = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial']
    const signed = ['-in', file(`${name}.csr`), '-out', file(`${name}.pem`), '-days', '1']
    await run('openssl', ['x509', '-req', ...signer, ...signed, '-extfile', file(`${name}.ext`)])
  }
  return {
    ca: file('ca.pem'),
    serverCert: file('server.pem'),
    serverKey: file('server.key'),
    clientCert: file('client.pem'),
    clientKey: file('client.key'),
  }
}

const EXTENSIONS = `subjectAltName=DNS:localhost,IP:127.0.0.1
extendedKeyUsage=serverAuth,clientAuth
`
