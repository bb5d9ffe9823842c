/** What smtp-server is told. Nothing that it would do by itself without being asked stays on. */
import { createSecureContext, type SecureContext } from 'node:tls'
import type { SMTPServerOptions } from 'smtp-server/lib/smtp-server.js'
import type { Certificate } from './certificate.ts'
import type { ListenerConfig } from './dependencies.ts'
import type { ConnectionLimits } from './limits.ts'
import type { Shared } from './session.ts'

export type IngressServerOptions = {
  shared: Shared
  listener: ListenerConfig
  limits: ConnectionLimits
  certificate: Certificate | null
  /** Called at each connection: has the certificate changed? */
  refreshCertificate: () => void
}

export const serverOptions = ({ shared, listener, certificate }: IngressServerOptions): SMTPServerOptions => ({
  name: shared.config.hostname,
  logger: false,
  secure: listener.implicitTls,
  // R-banner: no wait for the DNS.
  disableReverseLookup: true,
  hideENHANCEDSTATUSCODES: false,
  authMethods: ['PLAIN', 'LOGIN'],
  // Of implicit TLS: handshakes at once; limits.ts counts what comes after.
  maxClients: shared.config.limits.connections,
  socketTimeout: shared.config.limits.idleMs,
  ...certificate,
  onAuth: ({ username = '', password }, _session, done) => {
    shared.directory.authenticate(username, password ?? '').then(
      (user) => done(null, user === null ? {} : { user }),
      () => done(Object.assign(new Error('accounts cannot be read, try again later'), { responseCode: 454 })),
    )
  },
})

/** The library's own key is published with it: without a certificate of ours there is no TLS at all. */
export const secureContexts = ({ key, cert }: SMTPServerOptions): Map<string, SecureContext> =>
  key === undefined || cert === undefined
    ? new Map()
    : new Map([['*', createSecureContext({ key, cert, minVersion: 'TLSv1.2' })]])
