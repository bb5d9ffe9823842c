/** The sections that say how the services run: Redis, content, listeners, limits, delivery, figures. */
import { address, duration, rate, size, timerDuration } from '@sluice/runtime'
import { z } from 'zod'
import { file, name, namePattern, network } from './schema-parts.ts'
import { s3Schema } from './schema-s3.ts'

const count = (least = 1) => z.int().min(least).max(10_000_000)

export const contentSchema = z
  .strictObject({
    store: z.enum(['redis', 'file', 's3']).default('redis').describe('Where content above the threshold goes.'),
    threshold: size().prefault('256KiB').describe('Up to it, content lies beside its task in Redis.'),
    directory: z
      .string()
      .nullable()
      .default(null)
      .describe('The folder of the file store. Left out: `content` in the data directory.')
      .meta({ type: 'folder' }),
    s3: s3Schema
      .nullable()
      .default(null)
      .describe('The bucket of the store `s3`. Kept while another store is chosen, it serves what still lies there.'),
    minFree: size().prefault('256MiB').describe('With less free on the disk, new mail gets 452 4.3.1.'),
  })
  .transform(({ threshold, minFree, ...rest }) => ({ ...rest, thresholdBytes: threshold, minFreeBytes: minFree }))

export const listenerSchema = z
  .strictObject({
    name: z.string().min(1).describe('Its name in logs and figures.').meta({ example: 'smtp' }),
    listen: address().describe('Where clients connect.').meta({ example: '127.0.0.1:2525' }),
    tls: z
      .strictObject({
        certFile: file().describe('Certificate chain, PEM.'),
        keyFile: file().describe('Its private key, PEM.'),
      })
      .nullable()
      .default(null)
      .describe('Offers STARTTLS with this certificate; without one it is not offered.'),
    implicitTls: z.boolean().default(false).describe('TLS from the first byte (port 465).'),
    auth: z.enum(['off', 'optional', 'required']).default('off').describe('Log-in of accounts; offered only under TLS.'),
    proxy: z
      .strictObject({
        trusted: z
          .array(network())
          .min(1)
          .describe('The balancers. From them a header is expected, and believed; from others it is refused.')
          .meta({ example: '[10.0.0.0/8]' }),
      })
      .nullable()
      .default(null)
      .describe('Load balancers that tell the client’s address by the PROXY protocol, version 1 or 2.'),
  })
  .meta({ title: 'listener' })

export const limitsSchema = z
  .strictObject({
    size: size().prefault('25MiB').describe('The largest message (552 5.3.4 beyond).'),
    recipients: z
      .int()
      .min(100)
      .max(100_000)
      .default(1000)
      .describe('Recipients of one message (452 4.5.3 beyond); at least 100.'),
    hops: count().default(100).describe('Received headers before a message counts as looping (554 5.4.6).'),
    errors: count().default(20).describe('Refused commands in one session, then 421.'),
    noops: count().default(100).describe('NOOP, RSET, HELP, VRFY in one session that bring no mail forward, then 421.'),
    connections: count().default(1000).describe('Clients at once.'),
    connectionsPerClient: count().default(100).describe('Connections at once from one address.'),
    idle: timerDuration().prefault('5m').describe('Silence before a session ends with 421.'),
    session: timerDuration().prefault('1h').describe('The longest session.'),
    commandLine: size().prefault('2048').describe('The longest command line, in bytes.'),
  })
  .transform(({ size, idle, session, commandLine, ...rest }) => ({
    ...rest,
    sizeBytes: size,
    idleMs: idle,
    sessionMs: session,
    commandLineBytes: commandLine,
  }))

const timeoutsSchema = z
  .strictObject({
    connect: timerDuration().prefault('30s').describe('To open the connection.'),
    greeting: timerDuration().prefault('5m').describe('For the banner.'),
    ehlo: timerDuration().prefault('5m').describe('For the reply to EHLO or LHLO.'),
    tls: timerDuration().prefault('1m').describe('For STARTTLS and the handshake.'),
    mail: timerDuration().prefault('5m').describe('For the reply to MAIL.'),
    rcpt: timerDuration().prefault('5m').describe('For the reply to RCPT.'),
    data: timerDuration().prefault('2m').describe('For the reply to DATA.'),
    block: timerDuration().prefault('3m').describe('For each block of content to be taken.'),
    dot: timerDuration().prefault('10m').describe('For the reply to the final dot.'),
  })
  .transform((t) => ({
    connectMs: t.connect,
    greetingMs: t.greeting,
    ehloMs: t.ehlo,
    tlsMs: t.tls,
    mailMs: t.mail,
    rcptMs: t.rcpt,
    dataMs: t.data,
    blockMs: t.block,
    dotMs: t.dot,
  }))

export const deliverySchema = z
  .strictObject({
    sessions: count().default(50).describe('Conversations at once in one delivery-agent.'),
    idleConnection: timerDuration().prefault('2s').describe('How long an open connection is kept for the next message.'),
    unknownOutcome: z
      .enum(['retry', 'hold'])
      .default('retry')
      .describe('When the connection breaks after the final dot: `retry` may deliver twice, `hold` leaves it to you.'),
    allowPrivateMx: z.boolean().default(false).describe('Follow MX records to private and loopback addresses.'),
    timeouts: timeoutsSchema.prefault({}).describe('How long to wait for the far end, RFC 5321 §4.5.3.2.'),
  })
  .transform(({ idleConnection, ...rest }) => ({ ...rest, idleConnectionMs: idleConnection }))

export const resolverSchema = z
  .strictObject({
    servers: z
      .array(address())
      .default([])
      .describe('Name servers. Left out: those of the system.')
      .meta({ example: '["127.0.0.1:5353"]' }),
    timeout: timerDuration().prefault('5s').describe('For one answer.'),
  })
  .transform(({ timeout, ...rest }) => ({ ...rest, timeoutMs: timeout }))

export const spoolerSchema = z.strictObject({
  rate: rate()
    .nullable()
    .default(null)
    .describe('Caps what the whole gateway delivers. Left out: no cap.')
    .meta({ example: '100/s' }),
})

export const noticesSchema = z
  .strictObject({
    maxContent: size().prefault('50KiB').describe('The most of the message that a notice returns whole; beyond it, its headers.'),
    ownClass: z
      .boolean()
      .default(true)
      .describe(
        'Notices travel in the class `notices`, so that mail that waits does not hold them back. Switch it off while services of a version without classes run on the same spool: they would find no route for them.',
      ),
  })
  .transform(({ maxContent, ownClass }) => ({ maxContentBytes: maxContent, ownClass }))

export const historySchema = z
  .strictObject({
    keep: duration().prefault('24h').describe('How long `sluice trace` tells of messages that have left.'),
    max: count().default(50_000).describe('How many of them at most.'),
  })
  .transform(({ keep, max }) => ({ keepMs: keep, max }))

export const mailboxSchema = z.strictObject({
  listen: address().prefault('127.0.0.1:2424').describe('Its LMTP address; `local` routes deliver there.'),
  directory: z
    .string()
    .nullable()
    .default(null)
    .describe('The folder with one Maildir per account. Left out: `mail` in the data directory.')
    .meta({ type: 'folder' }),
})

const MOST_SITE_CLASSES = 100

/** Microsoft's hosts end in either name. */
const PROVIDERS = {
  google: ['*.google.com', '*.googlemail.com'],
  microsoft: ['*.protection.outlook.com', '*.mx.microsoft'],
  yahoo: ['*.yahoodns.net'],
  apple: ['*.mail.icloud.com'],
}

export const metricsSchema = z.strictObject({
  sites: z
    .record(name(), z.array(namePattern()).min(1).max(100))
    .refine((sites) => Object.keys(sites).length <= MOST_SITE_CLASSES, `expected at most ${MOST_SITE_CLASSES} names`)
    .refine((sites) => !Object.hasOwn(sites, 'other'), 'expected another name than "other", which is the name of the rest')
    .prefault(PROVIDERS)
    .describe(
      'Sites of MX routes that have figures of their own, by name: patterns of their hosts, the first that fits. The rest are told together as `other`; a route with hosts of its own is told by its name.',
    )
    .meta({ type: 'name: list of patterns' }),
})

const port = z.int().min(0).max(65_535)

export const httpSchema = z.strictObject({
  host: z.string().default('127.0.0.1').describe('The address for /metrics, /healthz and /readyz; `::` for all.'),
  ports: z
    .strictObject({
      ingress: port.default(9101).describe('Port of ingress.'),
      spooler: port.default(9102).describe('Port of the spooler.'),
      'delivery-agent': port.default(9103).describe('Port of the delivery-agent.'),
      mailbox: port.default(9104).describe('Port of the mailbox service.'),
    })
    .prefault({})
    .describe('One port per service; 0 takes any free one.'),
})
