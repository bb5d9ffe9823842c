/**
 * The whole config as one zod schema, closed to unknown keys. It is the only description there is: types are inferred from
 * it and the reference page is generated from it. Durations, sizes and rates come out as numbers with the unit in the name.
 */
import { duration, percent, timerDuration } from '@sluice/runtime'
import { z } from 'zod'
import { domainName, name, network } from './schema-parts.ts'
import { redisSchema } from './schema-redis.ts'
import { replyRuleSchema } from './schema-reply-rules.ts'
import { accountSchema, domainSchema, routeSchema, scheduleSchema } from './schema-routing.ts'
import {
  contentSchema,
  deliverySchema,
  historySchema,
  httpSchema,
  limitsSchema,
  listenerSchema,
  mailboxSchema,
  metricsSchema,
  noticesSchema,
  resolverSchema,
  spoolerSchema,
} from './schema-service.ts'
import { classSchema, policySchema, share } from './schema-shaping.ts'

export const configSchema = z
  .strictObject({
    hostname: domainName()
      .nullable()
      .default(null)
      .describe(
        'The name in banner, EHLO, Received, Message-ID and notices; a full domain name. Left out: the name of the machine.',
      )
      .meta({ example: 'mx.example.org' }),
    redis: redisSchema.prefault({}).describe('The durable store behind the spool; docs/redis.md helps to choose.').meta({
      example:
        'redis:\n  url: redis://127.0.0.1:6379\n  passwordFile: /run/secrets/redis\n  lanes: 1\n  requireDurable: true\n  fullAt: 80%\n',
    }),
    content: contentSchema.prefault({}).describe('Where the bytes of messages lie.').meta({
      example:
        'content:\n  store: s3\n  threshold: 256KiB\n  s3:\n    endpoint: https://minio.example.org:9000\n    bucket: sluice-content\n    prefix: gateway-1/\n    accessKeyFile: /run/secrets/s3-access-key\n    secretKeyFile: /run/secrets/s3-secret-key\n',
    }),
    listeners: z.array(listenerSchema).default([]).describe('Where mail comes in by SMTP.').meta({
      example:
        'listeners:\n  - name: smtp\n    listen: 25\n    tls: { certFile: /etc/sluice/tls.crt, keyFile: /etc/sluice/tls.key }\n  - name: submission\n    listen: 587\n    tls: { certFile: /etc/sluice/tls.crt, keyFile: /etc/sluice/tls.key }\n    auth: required\n',
    }),
    trustedNetworks: z
      .array(network())
      .default([])
      .describe('Clients that may send to any domain without logging in. Empty by default, so that nobody can.')
      .meta({ example: '[10.0.0.0/8, "2001:db8::/32"]' }),
    domains: z.array(domainSchema).default([]).describe('The own domains.').meta({
      example:
        'domains:\n  - name: example.org\n    route: local\n    aliases: { sales: [anna@example.org, ben@example.net] }\n    postmaster: anna@example.org\n  - name: example.net\n    route: backend\n    recipients: any\n',
    }),
    accounts: z
      .array(accountSchema)
      .default([])
      .describe('Users: local mailboxes, and log-ins for sending.')
      .meta({ example: 'accounts:\n  - address: anna@example.org\n    passwordFile: /run/secrets/anna\n    quota: 1GiB\n' }),
    routes: z.array(routeSchema).default([]).describe('Where mail goes out. Mail without a route bounces.').meta({
      example:
        'routes:\n  - name: backend\n    type: smtp\n    hosts: ["10.0.0.5:25", "10.0.0.6:25"]\n    tls: required\n  - name: smarthost\n    match: ["*"]\n    type: smtp\n    hosts: [{ host: smtp.example.com, port: 587 }]\n    tls: verified\n    auth: { user: relay, passwordFile: /run/secrets/smarthost }\n    rate: 100/min\n',
    }),
    schedules: z
      .record(name(), scheduleSchema)
      .prefault({})
      .describe('Own retry schedules by name. `classic` and `internet` exist already.')
      .meta({
        type: 'name: schedule',
        example: 'schedules:\n  gentle: { delays: [15m, 1h, 4h], jitter: 10% }\nschedule: gentle\n',
      }),
    schedule: name()
      .prefault('classic')
      .describe(
        'The schedule of routes that name none. `classic`: at once, then after 2, 4, 6, 8 and 10 hours. `internet`: early retries, then rarer, five days.',
      ),
    classes: z
      .array(classSchema)
      .default([])
      .describe(
        'Kinds of mail that wait in queues of their own and share a site by weight. `notices` is built in. See [shaping](shaping.md).',
      )
      .meta({
        example:
          'classes:\n  - { name: bulk, share: 1, match: { header: { name: Precedence, pattern: bulk } } }\n  - { name: lists, share: 2, match: { header: { name: List-Id } } }\n',
      }),
    defaultShare: share().default(10).describe('The weight of mail of no class.'),
    policies: z
      .array(policySchema)
      .default([])
      .describe('What binds a site, destination, class or route. All that match apply in order; what a later one says wins.')
      .meta({
        example:
          'policies:\n  - match: { site: "*.google.com" }\n    connections: 10\n    messagesPerConnection: 100\n  - match: { class: bulk }\n    rate: 60/min\n',
      }),
    replyRules: z
      .array(replyRuleSchema)
      .default([])
      .describe('What to do about a far end’s refusals, before the shipped rules. See [shaping](shaping.md).')
      .meta({
        example:
          'replyRules:\n  - name: partner-is-busy\n    match: { site: "*.partner.example", codes: [4xx], text: "busy|overload" }\n    connections: 2\n    for: 15m\n  - { name: greylisting, off: true }\n',
      }),
    delayNotice: duration().prefault('4h').describe('Senders who asked for it (NOTIFY=DELAY) hear of a delay after this.'),
    limits: limitsSchema.prefault({}).describe('What one client may ask of ingress.'),
    bareLineFeeds: z
      .enum(['reject', 'normalize'])
      .default('reject')
      .describe('Content with a line feed or carriage return of its own: refuse it (550 5.6.11), or write CRLF instead.'),
    delivery: deliverySchema.prefault({}).describe('How the delivery-agents work.'),
    resolver: resolverSchema.prefault({}).describe('Whom to ask for MX records.'),
    spooler: spoolerSchema.prefault({}).describe('The pace of the whole gateway.'),
    notices: noticesSchema.prefault({}).describe('Failure notices.'),
    history: historySchema.prefault({}).describe('What is remembered of messages that have left.'),
    mailbox: mailboxSchema.prefault({}).describe('The service that keeps local mail.'),
    metrics: metricsSchema.prefault({}).describe('What figures are told by; docs/metrics.md lists them.').meta({
      example: 'metrics:\n  sites:\n    google: ["*.google.com", "*.googlemail.com"]\n    partner: [mx.partner.example]\n',
    }),
    http: httpSchema.prefault({}).describe('Figures and health of each service.'),
    shutdownGrace: timerDuration().prefault('30s').describe('What is in hand gets this long to finish after SIGTERM.'),
    log: z
      .strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('The least that is logged.') })
      .prefault({})
      .describe('The log: one JSON object per line on standard output.'),
    tracing: z
      .strictObject({
        sample: percent()
          .prefault('100%')
          .describe('The part of messages that is traced from end to end. OTEL_TRACES_SAMPLER overrides it.')
          .meta({ example: '1%' }),
      })
      .prefault({})
      .describe('Traces, once OTEL_EXPORTER_OTLP_ENDPOINT says where to send them. See [tracing](tracing.md).'),
  })
  .transform(({ delayNotice, shutdownGrace, ...rest }) => ({
    ...rest,
    delayNoticeMs: delayNotice,
    shutdownGraceMs: shutdownGrace,
  }))

/** As the file says it, before names are resolved and secrets read. */
export type WrittenConfig = z.output<typeof configSchema>
