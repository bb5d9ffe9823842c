/** smtp-server as a listener: nothing that it would do by itself without being asked stays on. */
import type { Socket } from 'node:net'
import { createSecureContext, type TLSSocket } from 'node:tls'
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server/lib/smtp-server.js'
import type { Certificate } from './certificate.ts'
import { ListenerConnection } from './connection.ts'
import type { ListenerConfig, Service } from './dialogue.ts'

export type ServerOptions = {
  service: Service
  listener: ListenerConfig
  certificate: Certificate | null
  /** Called at each connection: has the certificate changed? */
  refreshCertificate: () => void
}

const libraryOptions = ({ service, listener, certificate }: ServerOptions): SMTPServerOptions => ({
  name: service.hostname,
  lmtp: service.protocol === 'LMTP',
  logger: false,
  secure: listener.implicitTls,
  // R-banner: no wait for the DNS.
  disableReverseLookup: true,
  authMethods: ['PLAIN', 'LOGIN'],
  // Of implicit TLS: handshakes at once; connection-limits.ts counts what comes after.
  maxClients: service.limits.connections,
  socketTimeout: service.limits.idleMs,
  ...certificate,
  onAuth: ({ username = '', password }, _session, done) => {
    service.authenticate(username, password ?? '').then(
      (user) => done(null, user === null ? {} : { user }),
      () => done(Object.assign(new Error('accounts cannot be read, try again later'), { responseCode: 454 })),
    )
  },
})

export class ListenerServer extends SMTPServer {
  readonly service: Service
  readonly listener: ListenerConfig
  readonly refreshCertificate: () => void
  /** Clients in conversation. */
  readonly clients = new Set<ListenerConnection>()
  /** Every socket that is open, also while it is being closed. */
  readonly sockets = new Set<Socket>()
  isDraining = false

  constructor(options: ServerOptions) {
    super(libraryOptions(options))
    this.service = options.service
    this.listener = options.listener
    this.refreshCertificate = options.refreshCertificate
    this.on('error', (error) => this.service.log.info('a connection failed', { listener: this.listener.name, error }))
  }

  /** The library's own key is published with it: without a certificate of ours there is no TLS at all. */
  override updateSecureContext(options?: SMTPServerOptions | null): void {
    Object.assign(this.options, options)
    const { key, cert } = this.options
    this.secureContext =
      key === undefined || cert === undefined
        ? new Map()
        : new Map([['*', createSecureContext({ key, cert, minVersion: 'TLSv1.2' })]])
  }

  /** Implicit TLS: a handshake that fails is told of, too. */
  override _upgrade(socket: Socket, callback: Parameters<SMTPServer['_upgrade']>[1]): void {
    const { remoteAddress = '' } = socket
    super._upgrade(socket, (fault, secured) => {
      if (fault !== null && fault !== undefined) {
        this.service.tlsFailed(this.listener, remoteAddress.replace(/^::ffff:/i, ''), fault)
      }
      callback(fault, secured)
    })
  }

  override connect(socket: Socket | TLSSocket, options?: SMTPConnectionOptions | null): void {
    const connection = new ListenerConnection(this, socket, options)
    this.connections.add(connection)
    this.clients.add(connection)
    this.sockets.add(socket)
    connection.on('error', (error: Error) => this._onError(error))
    this.refreshCertificate()
    connection.init()
  }
}
