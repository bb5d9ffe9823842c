/**
 * A real gateway with everything in it that a dashboard shows: mail that is delivered, deferred, tried again, bounced, refused at the
 * door; large mail; a site that is left alone, a destination that is held, a payload that is not understood.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createCertificate, type FarEnd, freePort, startFarEnd } from '@sluice/testkit'
import { submitRaw } from '../support/client.ts'
import { eventually, type Sluice, startSluice } from '../support/gateway.ts'
import { openSpool } from '../support/spool.ts'

export const SERVICES = ['ingress', 'spooler', 'delivery-agent', 'mailbox'] as const

export type Scene = {
  /** `host:port` of each service's figures. */
  targets: string[]
  stop: () => Promise<void>
}

const LARGE = Array.from({ length: 400 }, () => 'x'.repeat(70)).join('\r\n')
const ROUND_MS = 300

const routeTo = (name: string, port: number): string =>
  `  - { name: ${name}, match: [${name}.test], type: smtp, hosts: ["127.0.0.1:${port}"] }`

const configOf = (far: FarEnd, two: FarEnd, deadPort: number, tlsPort: number, folder: string): string => `
domains: [{ name: own.test, route: local }]
accounts: [{ address: anna@own.test }]
content: { threshold: 4KiB }
listeners:
  - { name: smtp, listen: "127.0.0.1:$SMTP" }
  - { name: submission, listen: "127.0.0.1:${tlsPort}", tls: { certFile: "${folder}/cert.pem", keyFile: "${folder}/key.pem" } }
routes:
  - { name: local, type: local }
${routeTo('far', far.port)}
${routeTo('two', two.port)}
${routeTo('dead', deadPort)}`

const startGatewayFor = async (far: FarEnd, two: FarEnd, folder: string): Promise<Sluice> => {
  const { cert, key } = await createCertificate()
  await writeFile(join(folder, 'cert.pem'), cert)
  await writeFile(join(folder, 'key.pem'), key)
  return startSluice({ config: configOf(far, two, await freePort(), await freePort(), folder) })
}

const send = (sluice: Sluice, to: string[], body?: string): Promise<{ id: string | null }> =>
  submitRaw(sluice.smtpPort, { from: 'anna@own.test', to, ...(body === undefined ? {} : { body }) })

/** A payload that nobody understands, and behind it a message that stays held. */
const parkAndHold = async (sluice: Sluice): Promise<void> => {
  const spool = await openSpool(sluice.folder)
  try {
    await sluice.cli('hold', 'two')
    const { id } = await send(sluice, ['ok@two.test'])
    await spool.redis.hset(`sluice{00}:two:${id}`, 'data', 'not understood')
    await sluice.cli('release', 'two')
    await eventually('a parked payload', async () => (await spool.queue()).some(({ parked }) => parked > 0))
    await sluice.cli('hold', 'two')
    await send(sluice, ['ok+held@two.test'])
  } finally {
    spool.stop()
  }
}

/** One of each kind, again and again. */
const keepSending = async (sluice: Sluice, signal: AbortSignal): Promise<void> => {
  for (let round = 0; !signal.aborted; round++) {
    await send(sluice, ['ok@far.test'])
    await send(sluice, ['ok@far.test', 'anna@own.test'])
    await send(sluice, [`tempfail-once+${round}@far.test`])
    await send(sluice, ['reject@far.test'])
    await send(sluice, ['nobody@own.test'])
    await send(sluice, ['ok@far.test'], LARGE)
    await send(sluice, ['ok@dead.test'])
    if (round % 20 === 10) await sluice.cli('retry', 'far')
    await sleep(ROUND_MS, undefined, { signal }).catch(() => {})
  }
}

export const startScene = async (): Promise<Scene> => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-dashboards-'))
  const [far, two] = [await startFarEnd(), await startFarEnd()]
  const abort = new AbortController()
  const stops: (() => Promise<unknown>)[] = [
    () => rm(folder, { recursive: true, force: true }),
    () => two.stop(),
    () => far.stop(),
  ]
  const stop = async (): Promise<void> => {
    abort.abort()
    for (const each of stops.toReversed()) await each()
  }
  try {
    const sluice = await startGatewayFor(far, two, folder)
    stops.push(() => sluice.stop())
    await parkAndHold(sluice)
    // What a client meets while the gateway stops is no fault of the scene.
    const sending = keepSending(sluice, abort.signal).catch(() => {})
    stops.push(() => sending)
    const targetOf = (service: string): string =>
      new RegExp(`^${service} figures\\s+http://(\\S+)/metrics`, 'm').exec(sluice.output())?.[1] ?? ''
    return { targets: SERVICES.map(targetOf), stop }
  } catch (fault) {
    await stop()
    throw fault
  }
}
