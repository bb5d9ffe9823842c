/** A certificate that is replaced while the gateway runs: when each pod shows it, and what clients and pods notice of that. */
import { X509Certificate } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import type { TestCertificate } from '@sluice/testkit'
import { eventually } from '../support/gateway.ts'
import { applyObjects, forwardPort, type Kube, type Pod } from './kube.ts'
import type { MailLoad } from './mail-load.ts'
import { type Server, servedSerial } from './passed-on.ts'
import { watchRate } from './rate.ts'

/** The kubelet looks at Secrets once a minute, and may hold what it has for another one. */
const FOLLOWED_WITHIN_MS = 180_000

export const certificateSecret = (name: string, { cert, key }: TestCertificate): object => ({
  ...{ apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls', metadata: { name } },
  stringData: { 'tls.crt': cert, 'tls.key': key },
})

export const serialOf = ({ cert }: TestCertificate): string => new X509Certificate(cert).serialNumber

/** By a port-forward, which comes from the pod's own loopback address. */
const serialAt = async (kube: Kube, pod: string): Promise<string> => {
  const forward = await forwardPort(kube, `pod/${pod}`, 2525)
  return servedSerial({ host: '127.0.0.1', port: forward.port }, null).finally(() => forward.close())
}

/** Who lives, and after how many restarts: all pods of the release. */
const lives = async (kube: Kube): Promise<string> => {
  const { items } = await kube.get<{ items: Pod[] }>('pods', '-l', `app.kubernetes.io/instance=${kube.release}`)
  const one = ({ metadata, status }: Pod): string =>
    `${metadata.name} ${metadata.uid} ${(status.containerStatuses ?? []).map(({ restartCount }) => restartCount).join()}`
  return items.map(one).sort().join('\n')
}

export type Replacement = {
  kube: Kube
  secret: string
  next: TestCertificate
  /** Where the balancer is, and a client that it tells. */
  balancer: Server
  client: string
  /** Gets who signed the next one. */
  caFile: string
  /** What goes on meanwhile; ended here. */
  load: MailLoad
}

/** New handshakes at every pod show the next one, then through the balancer, verified. @throws when a client or a pod was disturbed */
export const replaceCertificate = async (replacement: Replacement): Promise<string> => {
  const { kube, secret, next, balancer, client, caFile, load } = replacement
  const before = await lives(kube)
  const rate = watchRate(load)
  await applyObjects(kube, [certificateSecret(secret, next)])
  const startedAt = performance.now()
  const seconds: string[] = []
  for (const { metadata } of await kube.pods('ingress')) {
    const isNext = async (): Promise<boolean> => (await serialAt(kube, metadata.name)) === serialOf(next)
    await eventually(`the new certificate at ${metadata.name}`, isNext, FOLLOWED_WITHIN_MS, 1000)
    seconds.push(((performance.now() - startedAt) / 1000).toFixed(0))
  }
  await writeFile(caFile, next.ca)
  const serial = await servedSerial(balancer, client, caFile)
  if (serial !== serialOf(next)) throw new Error(`through the balancer: ${serial}`)
  const reached = rate()
  await load.stop()
  const after = await lives(kube)
  if (after !== before) throw new Error(`pods changed:\n${before}\n${after}`)
  const refused = load.refusals.map(({ stage, reply }) => `${stage} ${reply}`)
  if (refused.length > 0) throw new Error(`${refused.length} refused: ${refused.slice(0, 3).join(' | ')}`)
  return `pods follow after ${seconds.join(' and ')} s, none restarted; ${load.accepted.length} accepted meanwhile, 0 refused; ${reached}`
}
