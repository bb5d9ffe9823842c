import type { Stage } from '@sluice/contracts'
import { ConfigError } from '@sluice/runtime'
import { parseReply, type Refusal } from '@sluice/smtp'
import { describe, expect, it } from 'vitest'
import { createDirectory } from './directory.ts'
import { shippedReplyRules } from './reply-rules.ts'
import { loadText } from './test-config.ts'

const BASE = 'hostname: mx.sluice.test\n'

const directoryOf = async (text: string) => createDirectory(await loadText(`${BASE}${text}`))

const problemsOf = async (text: string): Promise<string[]> => {
  try {
    await loadText(`${BASE}${text}`)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ line, key, message }) => `${line} ${key}: ${message}`)
  }
}

/** What far ends are known to say, and the rule that knows it. `-`: none should. */
const KNOWN: [rule: string, host: string, stage: Stage, ...lines: string[]][] = [
  [
    'google-unsolicited-rate',
    'gmail-smtp-in.l.google.com',
    'dot',
    '421-4.7.28 [203.0.113.42] Our system has detected an unusual rate of',
    '421-4.7.28 unsolicited mail originating from your IP address. To protect our',
    '421 4.7.28 users from spam, mail sent from your IP address has been temporarily',
  ],
  [
    'google-unsolicited-rate',
    'aspmx.l.google.com',
    'dot',
    '421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your DKIM domain.',
  ],
  [
    'google-user-rate',
    'alt1.aspmx.l.google.com',
    'rcpt',
    '450-4.2.1 The user you are trying to contact is receiving mail at a rate that',
    '450 4.2.1 prevents additional messages from being delivered.',
  ],
  [
    'google-low-reputation',
    'aspmx.l.google.com',
    'dot',
    '421 4.7.0 [192.0.2.1] Our system has detected that this message is suspicious due to the very low reputation of the sending domain.',
  ],
  [
    'google-unauthenticated-rate',
    'aspmx.l.google.com',
    'dot',
    '421 4.7.27 This email has been rate limited because SPF did not pass',
  ],
  ['google-try-again', 'aspmx.l.google.com', 'mail', '421 4.7.0 Try again later, closing connection. (MAIL) - gsmtp'],
  [
    'microsoft-ip-rate',
    'hotmail-com.olc.protection.outlook.com',
    'mail',
    '451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation. For e-mail delivery information, see https://aka.ms/postmaster (S775) [Name=Protocol Filter Agent]',
  ],
  [
    'microsoft-blocked-ip',
    'eur.olc.protection.outlook.com',
    'mail',
    "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140).",
  ],
  [
    'microsoft-blocked-ip',
    'x-test.mail.protection.outlook.com',
    'mail',
    '550 5.7.606 Access denied, banned sending IP [192.0.2.1]',
  ],
  [
    'microsoft-busy',
    'x-test.mail.protection.outlook.com',
    'mail',
    '451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77714)',
  ],
  [
    'microsoft-rp',
    'outlook-com.olc.protection.outlook.com',
    'greeting',
    '421 RP-001 (BAY004) Unfortunately, some messages were not sent',
  ],
  [
    'microsoft-connections',
    'x-test.mail.protection.outlook.com',
    'mail',
    '421 4.3.2 The maximum number of concurrent server connections has exceeded a limit, closing transmission channel',
  ],
  [
    'yahoo-deferred-ip',
    'mta5.am0.yahoodns.net',
    'mail',
    '421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes',
  ],
  [
    'yahoo-blocked-ip',
    'mta5.am0.yahoodns.net',
    'mail',
    '553 5.7.2 [TSS09] All messages from 192.0.2.1 will be permanently deferred; Retrying will NOT succeed.',
  ],
  [
    'yahoo-greylisting',
    'mta5.am0.yahoodns.net',
    'mail',
    '451 4.7.1 [GL01] Message from (192.0.2.1) temporarily deferred - 4.16.50.',
  ],
  ['yahoo-user-rate', 'mta5.am0.yahoodns.net', 'rcpt', '450 User is receiving mail too quickly'],
  [
    'apple-user-rate',
    'mx01.mail.icloud.com',
    'rcpt',
    '421 4.7.1 Messages to example@icloud.com deferred due to excessive volume. Try again later - https://support.apple.com/en-us/HT204137',
  ],
  ['apple-busy', 'mx01.mail.icloud.com', 'dot', '451 4.7.1 Service unavailable - try again later'],
  [
    'gmx-rate',
    'mx00.gmx.net',
    'mail',
    '421-web.de (mxweb113) Nemesis ESMTP Service not available',
    '421-Service unavailable',
    '421 Reject due to policy restrictions Please try again later. Too many messages have been received in a short period of time.',
  ],
  [
    'gmx-blocked-ip',
    'mx-ha02.web.de',
    'greeting',
    '554-web.de (mxweb112) Nemesis ESMTP Service not available',
    '554-No SMTP service',
    '554 IP address is block listed.',
  ],
  ['comcast-connections', 'mx1a1.comcast.net', 'greeting', '421 Too many sessions opened'],
  [
    'comcast-blocked-ip',
    'mx1a1.comcast.net',
    'greeting',
    '554 resimta-po-01v.sys.comcast.net comcast 192.0.2.1 found on one or more DNSBLs, see http://postmaster.comcast.net/smtp-error-codes.php#BL000001',
  ],
  ['mailru-user-rate', 'mxs.mail.ru', 'rcpt', '451 Ratelimit exceeded for mailbox anna. Try again later.'],
  ['charter-connections', 'pkvw-mx.msg.pkvw.co.charter.net', 'greeting', '421 pkvw-mx cmsmtp Too many connections AUP#I-1310'],
  [
    'godaddy-connections',
    'smtp.secureserver.net',
    'greeting',
    '421 Connection refused, too many sessions from 192.0.2.1. Please lower the number of concurrent sessions. IB007',
  ],
  [
    'orange-connections',
    'smtp-in.orange.fr',
    'greeting',
    '421 mwinf5c04 ME Trop de connexions, veuillez verifier votre configuration. Too many connections, slow down. OFR004_104 [104]',
  ],
  ['orange-busy', 'smtp-in.orange.fr', 'greeting', '421 mwinf5c77 ME Service refuse. Veuillez essayer plus tard. OFR_999 [999]'],
  [
    'free-blocked-ip',
    'mx1.free.fr',
    'greeting',
    '421 Too many spams from your IP (192.0.2.1), please visit http://postmaster.free.fr/',
  ],
  [
    'mimecast-greylisting',
    'eu-smtp-inbound-1.mimecast.com',
    'rcpt',
    '451 Internal resources are temporarily unavailable - https://community.mimecast.com/docs/DOC-1369#451',
  ],
  [
    'greylisting',
    'mx.small.test',
    'rcpt',
    '450 4.2.0 <anna@small.test>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/small.test.html',
  ],
  ['greylisting', 'mx.small.test', 'rcpt', '451 4.7.1 Greylisting in action, please come back in 00:05:00'],
  ['greylisting-rspamd', 'mx.small.test', 'dot', '451 4.7.1 Try again later'],
  ['too-many-connections', 'mx.small.test', 'greeting', '421 4.7.0 mx.small.test Error: too many connections from 192.0.2.1'],
  [
    'too-many-connections',
    'mx.small.test',
    'greeting',
    '421 Too many concurrent SMTP connections from this IP address; please try again later.',
  ],
  ['rate-limited', 'mx.small.test', 'mail', '450 4.7.1 Error: too much mail from 192.0.2.1'],
  ['rate-limited', 'mx.small.test', 'mail', '452 4.3.2 Connection rate limit exceeded.'],
  [
    'ip-reputation',
    'mx.small.test',
    'greeting',
    "554 Your access to this mail system has been rejected due to the sending MTA's poor reputation.",
  ],
  [
    'block-list',
    'mx.small.test',
    'rcpt',
    '554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org',
  ],
  ['server-busy', 'mx.small.test', 'greeting', '421 4.3.2 Server too busy, try again later'],
  ['-', 'mx.small.test', 'rcpt', '550 5.1.1 <anna@small.test>: no such user here'],
  ['-', 'mx.small.test', 'rcpt', '452 4.2.2 mailbox full'],
  ['-', 'mx.small.test', 'rcpt', '451 4.3.0 temporary failure, please try again later'],
  ['-', 'aspmx.l.google.com', 'rcpt', '550 5.1.1 The email account that you tried to reach does not exist.'],
  ['-', 'mta5.am0.yahoodns.net', 'dot', '554 5.7.9 Message not accepted for policy reasons.'],
  ['-', 'mx.small.test', 'dot', '250 2.0.0 Ok: too many connections'],
]

describe('the shipped reply rules', () => {
  it.each(KNOWN)('%s knows what %s says at %s: %s', async (rule, host, stage, ...lines) => {
    const { replyRuleOf } = await directoryOf('')
    const reply = parseReply(lines)
    if (reply === null) throw new Error('no reply')
    expect(replyRuleOf({ siteName: `${host},+1`, hosts: [host], stage, reply })?.name ?? '-').toBe(rule)
  })

  it('have names of their own, and each does something', async () => {
    const rules = await shippedReplyRules()
    expect(new Set(rules.map(({ name }) => name)).size).toBe(rules.length)
    for (const { pauseMs, connections, intervalUs, retryMs, permanent, forMs } of rules) {
      expect([pauseMs, connections, intervalUs, retryMs, permanent].some((value) => value !== null)).toBe(true)
      expect(forMs === null).toBe(connections === null && intervalUs === null)
    }
  })
})

describe('own reply rules', () => {
  const refusal: Refusal = { siteName: 'mx.small.test', hosts: [], stage: 'rcpt', reply: { code: 450, text: ['greylisted'] } }

  it('go first', async () => {
    const { replyRuleOf } = await directoryOf(
      'replyRules: [{ name: mine, match: { text: grey }, retry: 1m, rate: 30/min, permanent: false }]',
    )
    expect(replyRuleOf(refusal)).toEqual({
      name: 'mine',
      actions: { pauseMs: null, connections: null, intervalUs: 2_000_000, forMs: 1_800_000, retryMs: 60_000, permanent: false },
    })
  })

  it('switch a shipped one off, or take its place', async () => {
    const off = await directoryOf('replyRules: [{ name: greylisting, off: true }]')
    expect(off.replyRuleOf(refusal)).toBeNull()
    const own = await directoryOf('replyRules: [{ name: greylisting, match: { text: black }, retry: 1m }]')
    expect(own.replyRuleOf(refusal)).toBeNull()
  })

  it.each([
    ['replyRules:\n  - { name: no-such, off: true }', '3 replyRules[0].name: expected the name of a shipped rule, not no-such'],
    ['replyRules:\n  - { name: a, match: { text: x } }', '3 replyRules[0]: expected something to do'],
    ['replyRules:\n  - { name: a, pause: 1m }', '3 replyRules[0].match: expected at least one condition'],
    [
      'replyRules:\n  - { name: a, match: { text: "(a+)+" }, pause: 1m }',
      '3 replyRules[0].match.text: expected a pattern that is safe to use',
    ],
    ['replyRules:\n  - { name: a, match: { codes: [250] }, pause: 1m }', '3 replyRules[0].match.codes[0]: expected a code'],
    ['replyRules:\n  - { name: a, match: { stages: [never] }, pause: 1m }', '3 replyRules[0].match.stages[0]: expected one of'],
    [
      'replyRules:\n  - { name: a, match: { text: x }, pause: 1m }\n  - { name: a, match: { text: x }, pause: 1m }',
      '4 replyRules[1].name: expected each rule once',
    ],
    ['classes:\n  - { name: notices, match: { user: "*" } }', '3 classes[0].name: expected another name'],
    ['classes:\n  - { name: bulk, match: {} }', '3 classes[0].match: expected at least one condition'],
    ['classes:\n  - { name: bulk, share: 0, match: { user: "*" } }', '3 classes[0].share: expected at least 1'],
    [
      'classes:\n  - { name: bulk, match: { listener: nowhere } }',
      '3 classes[0].match.listener: expected the name of a listener, not nowhere',
    ],
    [
      'policies:\n  - { match: { class: bulk }, connections: 1 }',
      '3 policies[0].match.class: expected the name of a class, not bulk',
    ],
    [
      'policies:\n  - { match: { route: bulk }, connections: 1 }',
      '3 policies[0].match.route: expected the name of a route, not bulk',
    ],
    ['policies:\n  - { match: { site: "a.test" } }', '3 policies[0]: expected something that it says'],
    ['policies:\n  - { match: { site: "a*.test" }, connections: 1 }', '3 policies[0].match.site: expected a name, *.name'],
    ['policies:\n  - { source: mx.test }', '3 policies[0].source: expected'],
    ['policies:\n  - { schedule: mine }', '3 policies[0].schedule: expected one of classic, internet, not mine'],
  ])('are checked: %s', async (text, problem) => {
    expect((await problemsOf(text)).join('\n')).toContain(problem)
  })
})
