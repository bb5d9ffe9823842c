/** smtp-server as a listener: nothing that it would do by itself without being asked stays on. */
import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { createSecureContext, type TLSSocket } from 'node:tls'
import { createNetworks, plainIp } from '@sluice/runtime'
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server/lib/smtp-server.js'
import type { Certificate } from './certificate.ts'
import { ListenerConnection } from './connection.ts'
import type { ListenerConfig, Service } from './dialogue.ts'
import { type Origin, readOrigin } from './proxied.ts'
import { REPLIES } from './replies.ts'
import { formatReply } from './reply.ts'

export type ServerOptions = {
  service: Service
  listener: ListenerConfig
  certificate: Certificate | null
}

const peerOf = ({ remoteAddress = '' }: Socket): string => plainIp(remoteAddress)
/** A refused balancer's connection is closed at the latest after this. */
const LINGER_MS = 1000

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
  /** Clients in conversation. */
  readonly clients = new Set<ListenerConnection>()
  /** Every socket that is open, also while it is being closed. */
  readonly sockets = new Set<Socket>()
  isDraining = false
  /** null: this listener takes no PROXY header. */
  readonly isBalancer: ((ip: string) => boolean) | null
  /** Where connections that a balancer passed on came from; empty without balancers. */
  readonly origins = new WeakMap<Socket, Origin>()

  constructor(options: ServerOptions) {
    super(libraryOptions(options))
    this.service = options.service
    this.listener = options.listener
    const { proxy } = options.listener
    this.isBalancer = proxy ? createNetworks(proxy.trusted) : null
    this.on('error', (error) => this.service.log.info('a connection failed', { listener: this.listener.name, error }))
  }

  /** The library's own key is published with it: without a certificate of ours there is no TLS at all. */
  override updateSecureContext(options?: SMTPServerOptions | null): void {
    const { key, cert } = { ...this.options, ...options }
    const context = key === undefined || cert === undefined ? null : createSecureContext({ key, cert, minVersion: 'TLSv1.2' })
    // Only now: a pair that cannot be used leaves all as it was.
    Object.assign(this.options, options)
    this.secureContext = context === null ? new Map() : new Map([['*', context]])
  }

  /** Whether this peer is a balancer, which says first whose connection it passes on. */
  override _expectsProxyHeader(socket: Socket): boolean {
    return this.isBalancer?.(peerOf(socket)) === true
  }

  originOf(socket: Socket): Origin | null {
    return this.isBalancer === null ? null : (this.origins.get(socket) ?? null)
  }

  /** The client's address as far as it is known: that of the peer, or what a trusted balancer said. */
  clientOf(socket: Socket): string {
    return this.originOf(socket)?.source ?? peerOf(socket)
  }

  /** R-limits: balancers whose header is awaited, too, are no more than clients may be. */
  override _acceptSocket(socket: Socket, handshake: boolean): (() => void) | false {
    if (this._expectsProxyHeader(socket) && this._pendingSockets.size >= this.service.limits.connections) {
      socket.on('error', () => {}) // whatever comes of it
      socket.destroy()
      return false
    }
    return super._acceptSocket(socket, handshake)
  }

  override _handleProxy(socket: Socket, callback: Parameters<SMTPServer['_handleProxy']>[1]): void {
    if (!this._expectsProxyHeader(socket)) {
      super._handleProxy(socket, callback)
      return
    }
    const via = peerOf(socket)
    readOrigin(socket, (read) => {
      if (read.kind === 'header') {
        this.origins.set(socket, { via, source: read.source })
        callback(null, { id: randomUUID(), remoteAddress: read.source ?? via })
        return
      }
      if (read.kind === 'refused') this.service.proxyFailed(this.listener, via, read.why)
      this.dismiss(socket, read.kind === 'refused' && !this.listener.implicitTls)
      callback(new Error('no PROXY header'))
    })
  }

  /** Ends a connection that never became one; who speaks in plain text is told why. */
  dismiss(socket: Socket, told: boolean): void {
    socket.on('error', () => {}) // whatever comes of it
    if (told) {
      socket.end(formatReply(REPLIES.noProxyHeader)).resume()
      setTimeout(() => socket.destroy(), LINGER_MS).unref()
    } else socket.destroy()
  }

  /**
   * Implicit TLS: a handshake that fails is told of, too; who closes a side in its midst is gone. R-limits: handshakes under way are
   * counted apart, so that a client with too many connections can still be told.
   */
  override _upgrade(socket: Socket, callback: Parameters<SMTPServer['_upgrade']>[1]): void {
    const ip = this.clientOf(socket)
    const { handshakeLimits } = this.service
    if (handshakeLimits.enter(ip) !== null) {
      this.dismiss(socket, false)
      return
    }
    let counted = true
    const leave = (): void => {
      if (counted) handshakeLimits.leave(ip)
      counted = false
    }
    socket.once('close', leave)
    socket.allowHalfOpen = false
    super._upgrade(socket, (fault, secured) => {
      socket.off('close', leave)
      leave()
      if (secured) {
        secured.allowHalfOpen = true
        const origin = this.originOf(socket)
        if (origin !== null) this.origins.set(secured, origin)
      }
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
    connection.init()
  }
}
