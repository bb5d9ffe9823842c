/**
 * What stands between clients and the gateway: a certificate that is replaced while it runs, a balancer that speaks the PROXY protocol,
 * and log-in with a password from a Secret. Everything comes from outside through the load balancer, from a network that is trusted to
 * tell whose connection it is.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCertificate, type FarEnd, startFarEnd, type TestCertificate } from '@sluice/testkit'
import { eventually } from '../../support/gateway.ts'
import { openWire } from '../../support/wire.ts'
import { account } from '../account.ts'
import { balancerAddress } from '../balancer.ts'
import { applyObjects, forwardPort, type Kube } from '../kube.ts'
import { startMailLoad } from '../mail-load.ts'
import { certificateSecret, replaceCertificate, serialOf } from '../new-certificate.ts'
import { proxyHeader, servedSerial, swaks } from '../passed-on.ts'
import { removeRelease } from '../uninstall.ts'
import { gatewayValues } from '../values.ts'
import type { Theme, World } from '../world.ts'

const HOSTNAME = 'mx.sluice.test'
const USER = 'me@sluice.test'
const PASSWORD = 'sesame öffne dich'
const [TLS_SECRET, LOGIN_SECRET] = ['edge-certificate', 'login']
/** Of networks that no machine has (RFC 5737). */
const [FRIEND, STRANGER] = ['203.0.113.7', '198.51.100.8']
const NO_HEADER = '421 4.3.5 expected a PROXY header'
const RATE_PER_SECOND = 20

/** What every step needs. `ca`: a file with who signed the certificate. */
type Edge = { kube: Kube; far: FarEnd; host: string; ca: string }

const expect = (what: string, holds: boolean): void => {
  if (!holds) throw new Error(what)
}

const installEdge = async (world: World, kube: Kube, far: FarEnd, first: TestCertificate): Promise<void> => {
  await kube.cluster('create', 'namespace', kube.namespace)
  const login = { apiVersion: 'v1', kind: 'Secret', metadata: { name: LOGIN_SECRET }, stringData: { password: PASSWORD } }
  await applyObjects(kube, [certificateSecret(TLS_SECRET, first), login])
  const more = {
    ...world.images('first'),
    config: {
      hostname: HOSTNAME,
      trustedNetworks: [`${FRIEND}/32`],
      accounts: [{ address: USER, passwordFile: `/etc/sluice/secrets/${LOGIN_SECRET}/password` }],
    },
    tls: { existingSecret: TLS_SECRET },
    proxyProtocol: { trusted: [`${world.host}/32`] },
    redis: { bundled: { persistence: { enabled: false } } },
    mailbox: { persistence: { enabled: false } },
  }
  await kube.install(gatewayValues({ client: world.host, far }, more))
}

const arrived = (far: FarEnd, to: string): Promise<string> =>
  eventually(
    `the mail for ${to}`,
    () => far.messages.find(({ recipients }) => recipients.some(({ address }) => address === to))?.content.toString('latin1'),
    60_000,
  )

/** `connection` in the log of the pods. */
const connectionsOf = async (kube: Kube, client: string): Promise<Record<string, unknown>[]> => {
  const labels = `app.kubernetes.io/instance=${kube.release},app.kubernetes.io/component=ingress`
  const lines = (await kube.kubectl('logs', '-l', labels, '--tail=-1')).split('\n').filter((line) => line.includes(`"${client}"`))
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ event }) => event === 'connection')
}

const toldAddress = async ({ kube, far, host }: Edge, balancer: string): Promise<string> => {
  const to = 'passed-on@far.test'
  const { code, stdout } = await swaks({ host, port: 25 }, FRIEND, '--from', USER, '--to', to)
  expect(stdout, code === 0)
  expect('the told address is not in the Received field', (await arrived(far, to)).slice(0, 1000).includes(`[${FRIEND}]`))
  const lines = await eventually('its line in the log', async () => {
    const found = await connectionsOf(kube, FRIEND)
    return found.length > 0 && found
  })
  expect(
    JSON.stringify(lines),
    lines.every(({ via }) => via === balancer),
  )
  return `logged as client ${FRIEND} via ${balancer}`
}

/** What it may do follows from the told address, too. */
const toldStranger = async ({ host }: Edge): Promise<string> => {
  const { code, stdout } = await swaks({ host, port: 25 }, STRANGER, '--from', USER, '--to', 'stranger@far.test')
  expect(stdout, code !== 0 && stdout.includes('550 5.7.1'))
  return 'told as a stranger: 550 5.7.1'
}

const withoutHeader = async ({ host }: Edge): Promise<string> => {
  const wire = await openWire(25, host)
  wire.close()
  expect(`greeted with ${wire.greeting}`, wire.greeting?.startsWith(NO_HEADER) === true)
  return wire.greeting ?? ''
}

/** A port-forward comes from the pod's own loopback address. */
const untrustedHeader = async ({ kube }: Edge): Promise<string> => {
  const forward = await forwardPort(kube, `service/${kube.release}-ingress`, 25)
  try {
    const server = { host: '127.0.0.1', port: forward.port }
    const { stdout } = await swaks(server, FRIEND, '--from', USER, '--to', 'untrusted@far.test')
    expect(stdout, stdout.includes('421 4.3.5 no PROXY header is taken'))
    const plain = await swaks(server, null, '--from', 'you@client.test', '--to', USER)
    expect(plain.stdout, plain.code === 0)
  } finally {
    forward.close()
  }
  return '421 with a header, a client as ever without'
}

const logIn = async ({ far, host, ca }: Edge, to: string): Promise<string> => {
  const submission = { host, port: 587 }
  const words = ['--from', USER, '--to', to, '--tls', '--tls-verify', '--tls-ca-path', ca]
  const login = (password: string): string[] => ['--auth', 'PLAIN', '--auth-user', USER, '--auth-password', password]
  const anonymous = await swaks(submission, STRANGER, ...words)
  expect(anonymous.stdout, anonymous.code !== 0 && anonymous.stdout.includes(' 530 '))
  const wrong = await swaks(submission, STRANGER, ...words, ...login('wrong'))
  expect(wrong.stdout, wrong.code !== 0 && wrong.stdout.includes(' 535 '))
  const { code, stdout } = await swaks(submission, STRANGER, ...words, ...login(PASSWORD))
  expect(stdout, code === 0)
  await arrived(far, to)
  return '530 without it, 535 with a wrong password; the mail is delivered'
}

/** Under a load that nobody may disturb, all of which arrives. */
const certificateReplaced = async ({ kube, far, host, ca }: Edge, next: TestCertificate): Promise<string> => {
  const load = startMailLoad({ host, rate: RATE_PER_SECOND, to: (n) => `load${n}@far.test`, head: proxyHeader(FRIEND) })
  try {
    const balancer = { host, port: 25 }
    const text = await replaceCertificate({ kube, secret: TLS_SECRET, next, balancer, client: STRANGER, caFile: ca, load })
    await account(load, async () => far.messages.flatMap(({ recipients }) => recipients.map(({ address }) => address)))
    return text
  } finally {
    await load.stop()
  }
}

export const edges: Theme = async (world) => {
  const { steps, options } = world
  const kube = world.release('edges')
  const far = await startFarEnd({ host: world.host })
  const folder = await mkdtemp(join(tmpdir(), 'sluice-edges-'))
  const edge: Edge = { kube, far, host: '', ca: join(folder, 'ca.pem') }
  try {
    const [first, second] = [await createCertificate([HOSTNAME]), await createCertificate([HOSTNAME])]
    await writeFile(edge.ca, first.ca)
    const there = await steps.step('install with certificate, PROXY and log-in', async () => {
      await installEdge(world, kube, far, first)
      edge.host = await balancerAddress(kube, NO_HEADER)
      return edge.host
    })
    if (!there) return
    await steps.step('the first certificate is served', async () => {
      const serial = await servedSerial({ host: edge.host, port: 25 }, STRANGER, edge.ca)
      expect(`served: ${serial}`, serial === serialOf(first))
      return serial
    })
    await steps.step('a client that the balancer tells', () => toldAddress(edge, world.host))
    await steps.step('a stranger that the balancer tells', () => toldStranger(edge))
    await steps.step('a balancer that tells nobody', () => withoutHeader(edge))
    await steps.step('a header from an untrusted address', () => untrustedHeader(edge))
    await steps.step('log-in on 587', () => logIn(edge, 'submitted@far.test'))
    await steps.step('the certificate is replaced', () => certificateReplaced(edge, second))
    await steps.step('log-in under the second one', () => logIn(edge, 'again@far.test'))
    await steps.step('helm test', async () => {
      expect('no test succeeded', /Phase:\s+Succeeded/.test(await kube.helm('test', kube.release, '--timeout', '120s')))
    })
  } finally {
    await far.stop()
    await rm(folder, { recursive: true, force: true })
    if (!options.keep) await removeRelease(kube)
  }
}
