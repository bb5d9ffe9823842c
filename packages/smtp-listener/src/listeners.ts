/**
 * The listeners of one service. `listen` resolves when every one takes connections; `close` is R-shutdown: clients without a
 * transaction get 421 4.3.2 at once, new ones too, running transactions finish within the grace time.
 */
import { once } from 'node:events'
import { parseCertificate } from '@sluice/runtime'
import { type Certificate, type CertificateWatch, readCertificate, watchCertificate } from './certificate.ts'
import type { ListenerConfig, Service } from './dialogue.ts'
import { REPLIES } from './replies.ts'
import { ListenerServer } from './server.ts'

export type Listening = { name: string; address: string; port: number }

/** What a listener shows its clients, whatever its files say by now. */
export type ListenerCertificate = {
  listener: string
  /** ms since the epoch when the one in use expires; NaN when it does not say */
  expiresAt: number
  /** Whether the files hold no pair that can be used, so that the last good one stays. */
  isRefused: boolean
}

export type Listeners = {
  listen: () => Promise<Listening[]>
  /** Of the listeners that are open and have one. */
  certificates: () => ListenerCertificate[]
  /** @param graceMs how long running transactions may take */
  close: (graceMs: number) => Promise<void>
  isDraining: () => boolean
}

/** How often sessions are looked at for their total time: one timer for all of them. */
const sweepEveryMs = (sessionMs: number): number => Math.max(10, Math.min(5000, sessionMs / 4))

type Opened = { server: ListenerServer; watch: CertificateWatch | null }

/** @param signal ends what goes on beside the server */
const openListener = async (listener: ListenerConfig, service: Service, signal: AbortSignal): Promise<Opened> => {
  const { tls } = listener
  if (listener.implicitTls && tls === null) throw new Error(`listener ${listener.name}: implicitTls needs tls`)
  const certificate = tls === null ? null : await readCertificate(tls)
  const server = new ListenerServer({ service, listener, certificate })
  const log = service.log.child({ listener: listener.name })
  const apply = (next: Certificate): void => server.updateSecureContext(next)
  const watch = tls !== null && certificate !== null ? watchCertificate({ files: tls, certificate, apply, log }, signal) : null
  // R-dual: `::` takes IPv4 as well, and without a host Node falls back to 0.0.0.0 where there is no IPv6 at all.
  const { host, port } = listener.listen
  server.server.listen({ port, backlog: 1024, ipv6Only: false, ...(host === '::' ? {} : { host }) })
  await once(server.server, 'listening')
  return { server, watch }
}

const certificateOf = ({ server, watch }: Opened): ListenerCertificate[] => {
  if (watch === null) return []
  const expiresAt = Date.parse(parseCertificate(watch.inUse().cert)?.validTo ?? '')
  return [{ listener: server.listener.name, expiresAt, isRefused: watch.isRefused() }]
}

const addressOf = (server: ListenerServer): Listening => {
  const bound = server.server.address()
  if (bound === null || typeof bound === 'string') throw new Error(`listener ${server.listener.name} is not bound to a port`)
  return { name: server.listener.name, address: bound.address, port: bound.port }
}

const shut = (server: ListenerServer): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve())
    for (const socket of server.sockets) socket.destroy()
  })

/** Until no client is left, or the time is over. */
const untilQuiet = (servers: readonly ListenerServer[], graceMs: number): Promise<void> =>
  new Promise((resolve) => {
    const left = () => servers.reduce((sum, { clients }) => sum + clients.size, 0)
    const done = (): void => {
      clearInterval(looking)
      clearTimeout(over)
      resolve()
    }
    const looking = setInterval(() => left() === 0 && done(), 20)
    const over = setTimeout(done, graceMs)
    if (left() === 0) done()
  })

export const createListeners = (listeners: readonly ListenerConfig[], service: Service): Listeners => {
  const opened: Opened[] = []
  let draining = false
  let sweep: NodeJS.Timeout | undefined
  let closing = new AbortController()
  const connections = () => opened.flatMap(({ server }) => [...server.clients])
  return {
    isDraining: () => draining,
    listen: async () => {
      draining = false
      closing = new AbortController()
      for (const listener of listeners) opened.push(await openListener(listener, service, closing.signal))
      sweep = setInterval(() => {
        for (const connection of connections()) connection.endIfOverdue()
      }, sweepEveryMs(service.limits.sessionMs)).unref()
      return opened.map(({ server }) => addressOf(server))
    },
    certificates: () => opened.flatMap(certificateOf),
    close: async (graceMs) => {
      draining = true
      closing.abort()
      const servers = opened.map(({ server }) => server)
      for (const server of servers) server.isDraining = true
      for (const connection of connections()) connection.drain()
      await untilQuiet(servers, graceMs)
      clearInterval(sweep)
      for (const connection of connections()) connection.end(REPLIES.shuttingDown)
      await Promise.all(opened.splice(0).map(({ server }) => shut(server)))
    },
  }
}
