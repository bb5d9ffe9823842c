/** Reply rules as they are written: in the config's `replyRules`, and in reply-rules.yaml, the shipped ones. */
import { stageSchema } from '@sluice/contracts'
import { duration, rate } from '@sluice/runtime'
import { faultOfPattern } from '@sluice/smtp'
import { z } from 'zod'
import { connectionCount, name, namePattern, oneOrMore, parsedText } from './schema-parts.ts'

const code = z
  .union([z.int(), z.string()])
  .transform(String)
  .refine((text) => /^[45](?:[0-5][0-9]|[0-5]x|xx)$/i.test(text), { error: 'expected a code, such as 421, 45x or 4xx' })

const enhanced = parsedText('enhanced code', 'an enhanced code, such as 4.7.28 or 4.7.*', (text) =>
  /^[45]\.(?:\d{1,3}|\*)(?:\.(?:\d{1,3}|\*))?$/.test(text) ? text : null,
)

const pattern = z
  .string()
  .min(1)
  .superRefine((text, context) => {
    const fault = faultOfPattern(text)
    if (fault !== null) context.addIssue({ code: 'custom', message: `expected a pattern that is safe to use: ${fault}` })
  })

const US_PER_MS = 1000

export const replyRuleSchema = z
  .strictObject({
    name: name()
      .describe('Its name in logs and reports; that of a shipped rule takes its place.')
      .meta({ example: 'partner-is-busy' }),
    off: z.boolean().default(false).describe('Switches the shipped rule of this name off.'),
    match: z
      .strictObject({
        site: oneOrMore(namePattern())
          .describe('The site’s name, or any of its hosts (MX).')
          .meta({ type: 'pattern, or list of them', example: '"*.google.com"' }),
        codes: z
          .array(code)
          .min(1)
          .nullable()
          .default(null)
          .describe('The code: `421`, `45x`, `4xx`.')
          .meta({ type: 'list of codes' }),
        enhanced: oneOrMore(enhanced)
          .describe('The enhanced code: `4.7.28`, `4.7.*`.')
          .meta({ type: 'enhanced code, or list of them' }),
        text: pattern
          .nullable()
          .default(null)
          .describe('A regular expression, without case, found in the first 500 characters of the reply’s text.')
          .meta({ type: 'pattern', example: '"rate ?limit"' }),
        stages: z
          .array(stageSchema)
          .min(1)
          .nullable()
          .default(null)
          .describe('Where it was said.')
          .meta({ example: '[mail, rcpt]' }),
      })
      .prefault({})
      .describe('All that is given must match.'),
    pause: duration().nullable().default(null).describe('Leave the site alone for so long.').meta({ example: '10m' }),
    connections: connectionCount().nullable().default(null).describe('Connections to the site at once, for the time of `for`.'),
    rate: rate().nullable().default(null).describe('Messages to the site, for the time of `for`.').meta({ example: '30/min' }),
    for: duration().prefault('30m').describe('How long `connections` and `rate` hold; then they recover step by step.'),
    retry: duration()
      .nullable()
      .default(null)
      .describe('Try the message again after so long, where its schedule would have it wait longer.')
      .meta({ example: '5m' }),
    permanent: z
      .boolean()
      .nullable()
      .default(null)
      .describe(
        'true: the message bounces, though the code says temporary. false: it is tried again, though the code says permanent.',
      ),
  })
  .transform(({ pause, connections, rate, for: time, retry, ...rest }) => ({
    ...rest,
    pauseMs: pause,
    connections,
    intervalUs: rate === null ? null : Math.round((rate.perMs * US_PER_MS) / rate.count),
    forMs: connections === null && rate === null ? null : time,
    retryMs: retry,
  }))
  .meta({ title: 'reply rule' })
