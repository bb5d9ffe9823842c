/** Clients behind a balancer that speaks the PROXY protocol, version 2: swaks, and a header by itself for those that speak plain SMTP. */
import { X509Certificate } from 'node:crypto'
import { type Result, runProgram } from '../support/gateway.ts'

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const PORT = 50_000
/** Where the client meant to connect to: nobody reads it. */
const TARGET = '192.0.2.25'

/** PROXY, TCP over IPv4 (haproxy.org, doc/proxy-protocol.txt, §2.2). */
export const proxyHeader = (client: string): Buffer => {
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(PORT, 0)
  ports.writeUInt16BE(25, 2)
  const addresses = [client, TARGET].map((address) => Buffer.from(address.split('.').map(Number)))
  return Buffer.concat([SIGNATURE, Buffer.from([0x21, 0x11, 0, 12]), ...addresses, ports])
}

export type Server = { host: string; port: number }

/** @param client whose connection it is said to be; null: without a header */
export const swaks = ({ host, port }: Server, client: string | null, ...words: string[]): Promise<Result> => {
  const header = ['--proxy-version', '2', '--proxy-family', 'AF_INET', '--proxy-source', client ?? '']
  const rest = ['--proxy-source-port', String(PORT), '--proxy-dest', TARGET, '--proxy-dest-port', '25']
  const head = client === null ? [] : [...header, ...rest]
  return runProgram('swaks', ['--server', host, '--port', String(port), '--timeout', '20', ...head, ...words])
}

/** The serial of the certificate that a new handshake is shown after STARTTLS. @throws when there is none, or it was not signed by `caFile` */
export const servedSerial = async (server: Server, client: string | null, caFile?: string): Promise<string> => {
  const verified = caFile === undefined ? [] : ['--tls-verify', '--tls-ca-path', caFile]
  const words = ['--from', 'a@client.test', '--tls', ...verified, '--tls-get-peer-cert', '--quit-after', 'TLS']
  const { stdout, stderr } = await swaks(server, client, ...words)
  const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(stdout.replaceAll(/^=== /gm, ''))?.[0]
  if (certificate === undefined) throw new Error(`no certificate: ${stdout.trim()} ${stderr.trim()}`)
  return new X509Certificate(certificate).serialNumber
}
