/**
 * The listeners of one service. `listen` resolves when every one takes connections; `close` is R-shutdown: clients without a
 * transaction get 421 4.3.2 at once, new ones too, running transactions finish within the grace time.
 */
import { once } from 'node:events'
import { readCertificate, watchCertificate } from './certificate.ts'
import type { ListenerConfig, Service } from './dialogue.ts'
import { REPLIES } from './replies.ts'
import { ListenerServer } from './server.ts'

export type Listening = { name: string; address: string; port: number }

export type Listeners = {
  listen: () => Promise<Listening[]>
  /** @param graceMs how long running transactions may take */
  close: (graceMs: number) => Promise<void>
  isDraining: () => boolean
}

/** How often sessions are looked at for their total time: one timer for all of them. */
const sweepEveryMs = (sessionMs: number): number => Math.max(10, Math.min(5000, sessionMs / 4))

/** @param signal ends what goes on beside the server */
const openListener = async (listener: ListenerConfig, service: Service, signal: AbortSignal): Promise<ListenerServer> => {
  const { tls } = listener
  if (listener.implicitTls && tls === null) throw new Error(`listener ${listener.name}: implicitTls needs tls`)
  const certificate = tls === null ? null : await readCertificate(tls)
  const server = new ListenerServer({ service, listener, certificate })
  if (tls !== null && certificate !== null) {
    const log = service.log.child({ listener: listener.name })
    void watchCertificate({ files: tls, certificate, apply: (next) => server.updateSecureContext(next), log }, signal)
  }
  // R-dual: `::` takes IPv4 as well, and without a host Node falls back to 0.0.0.0 where there is no IPv6 at all.
  const { host, port } = listener.listen
  server.server.listen({ port, backlog: 1024, ipv6Only: false, ...(host === '::' ? {} : { host }) })
  await once(server.server, 'listening')
  return server
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
  const servers: ListenerServer[] = []
  let draining = false
  let sweep: NodeJS.Timeout | undefined
  let closing = new AbortController()
  const connections = () => servers.flatMap(({ clients }) => [...clients])
  return {
    isDraining: () => draining,
    listen: async () => {
      draining = false
      closing = new AbortController()
      for (const listener of listeners) servers.push(await openListener(listener, service, closing.signal))
      sweep = setInterval(() => {
        for (const connection of connections()) connection.endIfOverdue()
      }, sweepEveryMs(service.limits.sessionMs)).unref()
      return servers.map(addressOf)
    },
    close: async (graceMs) => {
      draining = true
      closing.abort()
      for (const server of servers) server.isDraining = true
      for (const connection of connections()) connection.drain()
      await untilQuiet(servers, graceMs)
      clearInterval(sweep)
      for (const connection of connections()) connection.end(REPLIES.shuttingDown)
      await Promise.all(servers.splice(0).map(shut))
    },
  }
}
