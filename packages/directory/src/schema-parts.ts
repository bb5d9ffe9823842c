/** Parts that several sections of the config share: names, domains, addresses, files, hosts. */
import { parseAddress, parseNetwork } from '@sluice/runtime'
import { parseDomain, parseMailbox } from '@sluice/smtp'
import { z } from 'zod'

/** Lower case A-labels; null when the text is no domain. */
export const toDomain = (text: string): string | null => (text.startsWith('[') ? null : parseDomain(text, { utf8: true }))

/** Text that `parse` accepts, turned into what it gives. */
export const parsedText = <T>(type: string, expected: string, parse: (text: string) => T | null) =>
  z
    .string()
    .transform((text, context): T => {
      const value = parse(text)
      if (value !== null) return value
      context.issues.push({ code: 'custom', input: text, message: `expected ${expected}, not ${JSON.stringify(text)}` })
      return z.NEVER
    })
    .meta({ type })

export const domainName = () => parsedText('domain', 'a domain, such as example.org', toDomain)

/** The address with its domain as A-labels, the local part as it stands; null when the text is none. */
export const toAddress = (text: string): string | null => parseMailbox(text, { utf8: true })?.text ?? null

export const mailAddress = () => parsedText('mail address', 'a mail address, such as anna@example.org', toAddress)

export const network = () =>
  parsedText('network', 'an IP network, such as 10.0.0.0/8, 2001:db8::/32 or 127.0.0.1', (text) =>
    parseNetwork(text) === null ? null : text,
  )

export const file = () => z.string().min(1).meta({ type: 'file' })

/** A name people give to routes and schedules; without dots, so that it never collides with a domain. */
export const name = () =>
  parsedText('name', 'a name of a-z, 0-9 and "-", without dots', (text) => (/^[a-z0-9][a-z0-9-]*$/.test(text) ? text : null))

const toHost = (text: string): { host: string; port: number | null; weight: number } | null => {
  const parsed = /^\d+$/.test(text) ? null : parseAddress(text)
  return parsed === null ? null : { ...parsed, weight: 1 }
}

/** One value or several, of which one must match; null: not asked. */
export const oneOrMore = <Schema extends z.ZodType<string, string>>(schema: Schema) =>
  z
    .union([schema.transform((one) => [one]), z.array(schema).min(1).max(1000)])
    .nullable()
    .default(null)

export const toNamePattern = (text: string): string | null => {
  if (text === '*') return text
  const bare = text.replace(/^\*\./, '')
  // Sites and hops may also be names without dots, several hosts (`a.test,b.test`), or address literals.
  return /^[^\s*/@]+$/.test(bare) ? `${text.startsWith('*.') ? '*.' : ''}${toDomain(bare) ?? bare.toLowerCase()}` : null
}

export const namePattern = () => parsedText('pattern', 'a name, *.name (all names below it) or *', toNamePattern)

export const tlsMode = () => z.enum(['off', 'opportunistic', 'required', 'verified', 'implicit'])

/** A host of a route: `host:port` as one text, or its parts. The port's default depends on the route's type. */
export const routeHost = () =>
  z.union([
    parsedText('host:port', 'host:port, [IPv6]:port or { host, port, weight }', toHost),
    z.strictObject({
      host: z.string().min(1).describe('Host name or IP address.').meta({ example: '10.0.0.5' }),
      port: z
        .int()
        .min(1)
        .max(65_535)
        .nullable()
        .default(null)
        .describe('Left out: 25 for smtp, 465 with implicit TLS, 24 for lmtp.'),
      weight: z.int().min(0).max(1000).default(1).describe('Its share with `select: weight`; 0 only when no other is left.'),
    }),
  ])

/** Connections to a site or a destination at once. */
export const connectionCount = () => z.int().min(1).max(10_000)
