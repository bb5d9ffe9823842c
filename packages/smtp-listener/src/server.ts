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

/** IPv4 without the `::ffff:` of a dual-stack socket. */
const plainIp = ({ remoteAddress = '' }: Socket): string => remoteAddress.replace(/^::ffff:/i, '')

const libraryOptions = ({ service, listener, certificate }: ServerOptions): SMTPServerOptions => ({
  name: service.hostname,
  lmtp: service.protocol === 'LMTP',
  logger: false,
  // A client may close its side behind its last command, and reads on: the parser's end closes ours.
  allowHalfOpen: true,
  secure: listener.implicitTls,
  // R-banner: no wait for the DNS.
  disableReverseLookup: true,
  authMethods: ['PLAIN', 'LOGIN'],
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

  /** R-limits: implicit TLS handshakes under way are counted apart, so that a client with too many connections can still be told. */
  override _acceptSocket(socket: Socket, handshake: boolean): (() => void) | false {
    if (!handshake) return super._acceptSocket(socket, handshake)
    const ip = plainIp(socket)
    const { handshakeLimits } = this.service
    if (handshakeLimits.enter(ip) !== null) {
      socket.on('error', () => {}) // whatever comes of it
      socket.destroy()
      return false
    }
    let counted = true
    const leave = (): void => {
      if (counted) handshakeLimits.leave(ip)
      counted = false
    }
    socket.once('close', leave)
    const release = super._acceptSocket(socket, handshake)
    if (release === false) return false
    return () => {
      socket.off('close', leave)
      leave()
      release()
    }
  }

  /** Implicit TLS: a handshake that fails is told of, too; who closes a side in its midst is gone. */
  override _upgrade(socket: Socket, callback: Parameters<SMTPServer['_upgrade']>[1]): void {
    const ip = plainIp(socket)
    socket.allowHalfOpen = false
    super._upgrade(socket, (fault, secured) => {
      if (secured) secured.allowHalfOpen = true
      if (fault !== null && fault !== undefined) this.service.tlsFailed(this.listener, ip, fault)
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
