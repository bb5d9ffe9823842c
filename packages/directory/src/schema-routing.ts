/** The sections that say who is here and where mail goes: domains, accounts, routes, schedules. */
import { duration, percent, rate, size } from '@sluice/runtime'
import { z } from 'zod'
import { parseHash } from './passwords.ts'
import { connectionCount, domainName, file, mailAddress, name, parsedText, routeHost, tlsMode, toDomain } from './schema-parts.ts'

const aliasName = z.string().regex(/^[^\s@*]+$/u, { error: 'expected the part before the @; for all other names use catchAll' })

export const domainSchema = z
  .strictObject({
    name: domainName().describe('The domain. Mail for it is taken from everybody.').meta({ example: 'example.org' }),
    route: name().nullable().default(null).describe('The route for its mail. Left out, the `match` of the routes decides.'),
    recipients: z
      .enum(['listed', 'any'])
      .nullable()
      .default(null)
      .describe(
        '`listed`: only accounts, aliases and the catch-all exist, others get 550 5.1.1. `any`: the server behind knows. ' +
          'Left out: `listed` when the domain has accounts, aliases or a catch-all, or goes to a local route.',
      ),
    aliases: z
      .record(aliasName, z.union([mailAddress().transform((one) => [one]), z.array(mailAddress()).min(1).max(1000)]))
      .prefault({})
      .describe('Names that lead to other addresses, here or elsewhere.')
      .meta({ type: 'name: list of mail addresses', example: '{ sales: [anna@example.org, ben@example.net] }' }),
    catchAll: mailAddress().nullable().default(null).describe('Takes the mail for all names that do not exist.'),
    tag: z.string().max(8).default('+').describe('`anna+shop` reaches `anna`: the characters that begin a tag; "" for none.'),
    postmaster: mailAddress()
      .nullable()
      .default(null)
      .describe('Takes the mail for postmaster, abuse and mailer-daemon, when they are not listed themselves.'),
  })
  .meta({ title: 'domain' })

export const accountSchema = z
  .strictObject({
    address: mailAddress().describe('Its address, in one of the domains.').meta({ example: 'anna@example.org' }),
    passwordFile: file()
      .nullable()
      .default(null)
      .describe('A file with the password, or its scrypt hash. Without one nobody can log in.'),
    passwordHash: z
      .string()
      .refine((text) => parseHash(text) !== null, {
        error:
          'expected a scrypt hash, $scrypt$ln=14,r=8,p=1$…$…, as `sluice password hash` prints it; a plain password belongs in passwordFile',
      })
      .nullable()
      .default(null)
      .describe('The scrypt hash of the password, as `sluice password hash` prints it.'),
    quota: size()
      .nullable()
      .default(null)
      .describe('The most its folder may hold; mail beyond it waits (452 4.2.2).')
      .meta({ example: '1GiB' }),
  })
  .transform(({ quota, ...rest }) => ({ ...rest, quotaBytes: quota }))
  .meta({ title: 'account' })

const match = parsedText('domain pattern', 'a domain, *.domain (its subdomains) or *', (text) => {
  if (text === '*') return text
  const domain = toDomain(text.replace(/^\*\./, ''))
  return domain === null ? null : text.startsWith('*.') ? `*.${domain}` : domain
})

export const routeSchema = z
  .strictObject({
    name: name().describe('Its name, as it stands in the queue list and in `domains`.').meta({ example: 'smarthost' }),
    match: z
      .array(match)
      .default([])
      .describe(
        'The recipient domains it takes: `example.org`, `*.example.org` (subdomains), `*` (all others). The exact one wins, then the longest.',
      ),
    type: z
      .enum(['smtp', 'lmtp', 'mx', 'local'])
      .describe('`smtp` or `lmtp`: to the `hosts`. `mx`: to whom the DNS names. `local`: to the mailbox service.'),
    hosts: z
      .array(routeHost())
      .default([])
      .describe('Where smtp and lmtp routes go: `host:port`, or `{ host, port, weight }`.')
      .meta({ example: '["10.0.0.5:25"]' }),
    select: z.enum(['order', 'weight']).default('order').describe('`order`: the first that answers. `weight`: spread over all.'),
    tls: tlsMode()
      .default('opportunistic')
      .describe(
        '`opportunistic`: encrypt when offered. `required`: encrypt or wait. `verified`: with a certificate that holds. `implicit`: verified, TLS from the first byte.',
      ),
    auth: z
      .strictObject({
        user: z.string().min(1).describe('The user name at the far end.'),
        passwordFile: file().describe('A file with the password.'),
      })
      .nullable()
      .default(null)
      .describe('Logs in at the hosts; only ever under TLS.'),
    connections: connectionCount()
      .default(20)
      .describe('Connections to one site at once, over the whole cluster; `policies` may say more.'),
    rate: rate()
      .nullable()
      .default(null)
      .describe('Messages to one destination, evenly spread. Left out: no limit.')
      .meta({ example: '100/min' }),
    maxRecipients: z.int().min(1).max(1000).default(50).describe('Recipients in one transaction.'),
    schedule: name()
      .nullable()
      .default(null)
      .describe('When to try again: `classic`, `internet` or a name from `schedules`. Left out: the top-level `schedule`.'),
  })
  .meta({ title: 'route' })

export const scheduleSchema = z
  .strictObject({
    delays: z
      .array(duration())
      .min(1)
      .max(99)
      .describe('The pause before each further attempt; after the last attempt comes the failure notice.')
      .meta({ example: '[15m, 1h, 4h]' }),
    jitter: percent()
      .prefault('0%')
      .describe('Lengthens each pause by a random part of it, up to this, so that retries do not come together.'),
  })
  .transform(({ delays, jitter }) => ({ delaysMs: delays, jitter }))
  .meta({ title: 'schedule' })
