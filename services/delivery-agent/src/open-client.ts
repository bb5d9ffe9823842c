/**
 * A ready connection to one host, as the route's TLS mode asks (R-tls): `opportunistic` encrypts without verifying, and goes on in
 * plaintext only over a new connection, after a handshake that failed, and never where credentials are to be sent.
 */
import { isIP } from 'node:net'
import type { Candidate } from './candidates.ts'
import type { ShapedRoute } from './shaped-route.ts'
import { type OpeningFailure, SmtpClient, type Timeouts } from './smtp-client.ts'

export type OpenParts = {
  candidate: Candidate
  route: ShapedRoute
  /** Our name in EHLO. */
  hostname: string
  timeouts: Timeouts
  /** Certificates to trust besides the system's, PEM. */
  ca?: string
  now: () => number
  /** Gives it up at once. */
  leave: AbortSignal
}

export type Opened = { kind: 'ready'; client: SmtpClient } | { kind: 'failed'; failure: OpeningFailure; transcript: string[] }

/** `mx.example.org:2525`; the port only where it is not the usual one. */
export const labelOf = ({ name, port }: Candidate): string => (port === 25 || port === 24 ? name : `${name}:${port}`)

const makeClient = ({ candidate, route, hostname, timeouts, ca }: OpenParts, plain: boolean): SmtpClient => {
  const isVerified = route.tls === 'verified' || route.tls === 'implicit'
  return new SmtpClient({
    timeouts,
    host: candidate.address,
    port: candidate.port,
    ...(route.source === null ? {} : { localAddress: route.source }),
    ...(isIP(candidate.name) === 0 ? { servername: candidate.name } : {}),
    name: hostname,
    lmtp: route.type === 'lmtp' || route.type === 'local',
    secure: route.tls === 'implicit',
    ignoreTLS: plain,
    requireTLS: route.tls === 'required' || route.tls === 'verified',
    tls: { rejectUnauthorized: isVerified, ...(ca === undefined ? {} : { ca }) },
  })
}

const dial = async (parts: OpenParts, plain: boolean): Promise<Opened> => {
  const { candidate, route, now, leave } = parts
  const client = makeClient(parts, plain)
  const where = `${candidate.name} [${candidate.address}]:${candidate.port}`
  client.transcript.note(`${new Date(now()).toISOString()} connecting to ${where}`)
  const stop = (): void => client.abandon('the delivery was interrupted')
  leave.addEventListener('abort', stop)
  const failure = await client.open(route.auth)
  leave.removeEventListener('abort', stop)
  return failure === null ? { kind: 'ready', client } : { kind: 'failed', failure, transcript: client.transcript.lines() }
}

export const openClient = async (parts: OpenParts): Promise<Opened> => {
  const first = await dial(parts, parts.route.tls === 'off')
  if (first.kind === 'ready' || first.failure.stage !== 'tls' || parts.leave.aborted) return first
  if (parts.route.tls !== 'opportunistic' || parts.route.auth !== null || first.failure.reply?.code === 421) return first
  const second = await dial(parts, true)
  const before = [...first.transcript, '# encryption failed; once more in plaintext']
  if (second.kind === 'failed') return { ...second, transcript: [...before, ...second.transcript] }
  second.client.transcript.precede(before)
  return second
}
