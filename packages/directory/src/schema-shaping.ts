/** The sections that say how mail is shaped: classes, policies, and what they match. docs/shaping.md explains them. */
import { isIP } from 'node:net'
import { rate, size } from '@sluice/runtime'
import { z } from 'zod'
import { connectionCount, name, namePattern, oneOrMore, parsedText, tlsMode, toNamePattern } from './schema-parts.ts'

const toAddressPattern = (text: string): string | null => {
  if (text === '<>' || text === '*') return text
  const at = text.lastIndexOf('@')
  const domain = toNamePattern(text.slice(at + 1))
  return domain === null || at === 0 || /[\s<>]/.test(text) ? null : `${text.slice(0, at + 1)}${domain}`
}

const addressPattern = () =>
  parsedText('address pattern', 'an address, a domain, *.domain, LOCAL@*.domain with * in LOCAL, or *', toAddressPattern)

const orNone = <Schema extends z.ZodType>(schema: Schema, type: string) =>
  z
    .union([z.literal('none'), schema])
    .nullable()
    .default(null)
    .meta({ type: `${type} or \`none\`` })

const ip = parsedText('IP address', 'an IP address of this machine, such as 192.0.2.7', (text) =>
  isIP(text) === 0 ? null : text,
)

export const share = () => z.int().min(1).max(100)

export const classSchema = z
  .strictObject({
    name: name()
      .describe('Its name, as it stands behind the slash in the queue list: `example.org/bulk`.')
      .meta({ example: 'bulk' }),
    share: share().default(10).describe('Its weight against other classes that wait for the same site, 1 to 100.'),
    match: z
      .strictObject({
        listener: oneOrMore(z.string().min(1)).describe('Came in by this listener.').meta({ type: 'name, or list of them' }),
        sender: oneOrMore(addressPattern())
          .describe('The reverse-path; `<>` is the null one.')
          .meta({ type: 'address pattern, or list of them' }),
        recipient: oneOrMore(addressPattern())
          .describe('The recipient; those of one message may be of different classes.')
          .meta({ type: 'address pattern, or list of them' }),
        header: z
          .strictObject({
            name: z
              .string()
              .regex(/^[\x21-\x39\x3b-\x7e]+$/, { error: 'expected the name of a header field, without colon' })
              .transform((text) => text.toLowerCase())
              .describe('The name of a header field.')
              .meta({ example: 'Precedence' }),
            pattern: z
              .string()
              .min(1)
              .max(200)
              .nullable()
              .default(null)
              .describe('Its value, without case; `*` stands for any characters. Left out: any value.')
              .meta({ example: 'bulk' }),
          })
          .nullable()
          .default(null)
          .describe('Has this header field.'),
        minSize: size().nullable().default(null).describe('Has at least this size.').meta({ example: '1MiB' }),
        user: oneOrMore(addressPattern())
          .describe('Was sent by this log-in; `*` for any.')
          .meta({ type: 'address pattern, or list of them' }),
      })
      .transform(({ minSize, ...rest }) => ({ ...rest, minSizeBytes: minSize }))
      .describe('What belongs to it: all that is given must match. The first class that matches wins.'),
  })
  .meta({ title: 'class' })

export const policySchema = z
  .strictObject({
    match: z
      .strictObject({
        site: oneOrMore(namePattern())
          .describe('The site’s name, or any of its hosts (MX).')
          .meta({ type: 'pattern, or list of them', example: '"*.google.com"' }),
        destination: oneOrMore(namePattern())
          .describe('The recipient domain; for routes that are not of type mx, the route’s name.')
          .meta({ type: 'pattern, or list of them' }),
        class: oneOrMore(namePattern())
          .describe('The class; `default` is the one that has no name.')
          .meta({ type: 'pattern, or list of them' }),
        route: oneOrMore(namePattern()).describe('The route’s name.').meta({ type: 'pattern, or list of them' }),
      })
      .prefault({})
      .describe('All that is given must match; nothing given matches all.'),
    connections: connectionCount()
      .nullable()
      .default(null)
      .describe(
        'Connections at once. Where `match` names a site and neither destination nor class: to the whole site; else to each destination.',
      ),
    rate: orNone(rate(), 'rate').describe('Messages, evenly spread: of the whole site or of each destination, as `connections`.'),
    messagesPerConnection: orNone(z.int().min(1).max(1_000_000), 'number').describe(
      'After so many messages a connection is closed.',
    ),
    schedule: name().nullable().default(null).describe('When to try again: the name of a schedule.'),
    tls: tlsMode().nullable().default(null).describe('As in `routes`.'),
    source: orNone(ip, 'IP address').describe('The own address that connections come from.'),
  })
  .meta({ title: 'policy' })
