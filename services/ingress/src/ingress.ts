/** An ingress: listeners whose clients hold the conversation of conversation.ts. */
import {
  createConnectionLimits,
  createListeners,
  type Dialogue,
  type ListenerCertificate,
  type ListenerConfig,
  type Listening,
  type Origin,
  replyLine,
  type Service,
} from '@sluice/smtp-listener'
import { handleCommand, refuseClient } from './conversation.ts'
import type { IngressDependencies } from './dependencies.ts'
import { createEvents } from './events.ts'
import { clientFields, newSession, type Shared } from './session.ts'

export type { Listening }

export type Ingress = {
  listen: () => Promise<Listening[]>
  /** R-shutdown. @param graceMs how long running transactions may take */
  close: (graceMs: number) => Promise<void>
  certificates: () => ListenerCertificate[]
}

const openDialogue = (listener: ListenerConfig, ip: string, origin: Origin | null, shared: Shared): Dialogue => {
  const { events } = shared
  const session = newSession(listener, ip, origin, shared)
  events.connection({ listener: listener.name, client: ip, ...(origin && { via: origin.via }) })
  return {
    client: session,
    command: (verb, line) => handleCommand(verb, line, session, shared),
    isInTransaction: () => session.transaction !== null,
    mayLogIn: () => session.esmtp && session.transaction === null,
    forget: () => Object.assign(session, { esmtp: false, transaction: null }),
    rejected: (reply) => events.rejection({ ...clientFields(session), reason: reply.reason, reply: replyLine(reply) }),
    gone: () => events.disconnection({ listener: listener.name }),
  }
}

export const createIngress = (dependencies: IngressDependencies): Ingress => {
  const { config, directory, log, metrics, readiness } = dependencies
  const { hostname, limits, bareLineFeeds } = config
  const events = createEvents(log, metrics)
  const shared: Shared = { ...dependencies, events, isDraining: () => listeners.isDraining() }
  const service: Service = {
    protocol: 'ESMTP',
    hostname,
    limits,
    bareLineFeeds,
    connectionLimits: createConnectionLimits(limits),
    handshakeLimits: createConnectionLimits(limits),
    open: (listener, ip, origin) => openDialogue(listener, ip, origin, shared),
    refuse: () => refuseClient(readiness()),
    authenticate: directory.authenticate,
    tlsFailed: ({ name }, ip, error) => events.tlsFailure({ listener: name, client: ip, error }),
    proxyFailed: ({ name }, ip, why) => events.proxyFailure({ listener: name, client: ip, why }),
    log,
  }
  const listeners = createListeners(config.listeners, service)
  return { listen: listeners.listen, close: listeners.close, certificates: listeners.certificates }
}
