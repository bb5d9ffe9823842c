/**
 * All listeners of one ingress. `listen` resolves when every one takes connections; `close` is R-shutdown: clients without a
 * transaction get 421 4.3.2 at once, new ones too, running transactions finish within the grace time.
 */
import { once } from 'node:events'
import { createCertificateWatch, readCertificate } from './certificate.ts'
import { SHUTTING_DOWN } from './conversation.ts'
import type { IngressDependencies, ListenerConfig } from './dependencies.ts'
import { createEvents } from './events.ts'
import { createConnectionLimits } from './limits.ts'
import type { Shared } from './session.ts'
import { IngressServer } from './smtp-connection.ts'

export type Listening = { name: string; address: string; port: number }

export type Ingress = {
  listen: () => Promise<Listening[]>
  /** @param graceMs how long running transactions may take */
  close: (graceMs: number) => Promise<void>
}

/** How often sessions are looked at for their total time: one timer for all of them. */
const sweepEveryMs = (sessionMs: number): number => Math.max(10, Math.min(5000, sessionMs / 4))

const openListener = async (
  listener: ListenerConfig,
  shared: Shared,
  limits: ReturnType<typeof createConnectionLimits>,
): Promise<IngressServer> => {
  const { tls } = listener
  if (listener.implicitTls && tls === null) throw new Error(`listener ${listener.name}: implicitTls needs tls`)
  const refresh =
    tls === null
      ? () => {}
      : await createCertificateWatch({
          files: tls,
          now: shared.now,
          apply: (certificate) => server.updateSecureContext(certificate),
          onError: (error) => shared.log.error('the new certificate cannot be used', { listener: listener.name, error }),
        })
  const certificate = tls === null ? null : await readCertificate(tls)
  const server = new IngressServer({ shared, listener, limits, certificate, refreshCertificate: refresh })
  // R-dual: `::` takes IPv4 as well, and without a host Node falls back to 0.0.0.0 where there is no IPv6 at all.
  const { host, port } = listener.listen
  server.server.listen({ port, backlog: 1024, ipv6Only: false, ...(host === '::' ? {} : { host }) })
  await once(server.server, 'listening')
  return server
}

const addressOf = (server: IngressServer): Listening => {
  const bound = server.server.address()
  if (bound === null || typeof bound === 'string') throw new Error(`listener ${server.own.listener.name} is not bound to a port`)
  return { name: server.own.listener.name, address: bound.address, port: bound.port }
}

const shut = (server: IngressServer): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve())
    for (const socket of server.sockets) socket.destroy()
  })

/** Until no client is left, or the time is over. */
const untilQuiet = (servers: readonly IngressServer[], graceMs: number): Promise<void> =>
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

export const createIngress = (dependencies: IngressDependencies): Ingress => {
  const { config, log, metrics, now } = dependencies
  const servers: IngressServer[] = []
  let draining = false
  let sweep: NodeJS.Timeout | undefined
  const shared: Shared = { ...dependencies, events: createEvents(log, metrics), isDraining: () => draining }
  const limits = createConnectionLimits(config.limits)
  return {
    listen: async () => {
      for (const listener of config.listeners) servers.push(await openListener(listener, shared, limits))
      sweep = setInterval(() => {
        for (const server of servers) {
          for (const connection of server.clients) connection.endIfOverdue(now())
        }
      }, sweepEveryMs(config.limits.sessionMs))
      sweep.unref()
      return servers.map(addressOf)
    },
    close: async (graceMs) => {
      draining = true
      for (const server of servers) for (const connection of server.clients) connection.drain()
      await untilQuiet(servers, graceMs)
      clearInterval(sweep)
      for (const server of servers) for (const connection of server.clients) connection.end(SHUTTING_DOWN)
      await Promise.all(servers.map(shut))
    },
  }
}
