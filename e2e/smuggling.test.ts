/**
 * SMTP smuggling, as published in 2023 (CVE-2023-51764 and its kin): content that one server takes for a line with a dot, and so
 * for the end, and another does not. Whatever is sent, Sluice and the Postfix behind it agree that it is one message or none.
 */
import { startPostfix } from '@sluice/testkit'
import { describe, expect, it } from 'vitest'
import { eventually } from './support/gateway.ts'
import { startMailPostfix } from './support/postfix-mail.ts'
import { useSluice, useStarted } from './support/scene.ts'
import { openWire } from './support/wire.ts'

/** None of them is CRLF.CRLF. */
const SEQUENCES = [
  '\n.\n',
  '\n.\r\n',
  '\r\n.\n',
  '\r.\r',
  '\r.\r\n',
  '\r\n.\r',
  '\n.\r',
  '\r.\n',
  '\r\r\n.\r\r\n',
  '\r\n.\r\r\n',
  '\n\r\n.\n\r\n',
  '\r\n\0.\r\n',
  '\r\n.\0\r\n',
  '\r\n.\r\0\n',
  '\n\n.\r\n',
  '\n.\n\r\n',
]
const shown = (sequence: string): string => JSON.stringify(sequence).replaceAll('\\u0000', '\\0')

/** Content with the sequence, and behind it what would be a transaction of its own; then the true end. */
const smuggling = (sequence: string, nth: number): string =>
  [
    `From: <sender@client.test>\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\nMessage-ID: <${nth}@client.test>\r\nSubject: outer ${nth}\r\n\r\nouter${sequence}`,
    'MAIL FROM:<smuggler@client.test>\r\nRCPT TO:<anna@far.test>\r\nDATA\r\n',
    `Subject: smuggled ${nth}\r\n\r\nsmuggled\r\n.\r\n`,
  ].join('')

/** One transaction, as far as the sender says. @returns the reply to the content, and whether the conversation is still in step */
const send = async (port: number, content: string): Promise<{ reply: string | null; inStep: boolean }> => {
  const wire = await openWire(port)
  await wire.say('EHLO client.test', 'MAIL FROM:<>', 'RCPT TO:<anna@far.test>', 'DATA')
  wire.write(content)
  const reply = await wire.reply()
  const [goodbye] = await wire.say('QUIT')
  wire.close()
  return { reply, inStep: goodbye?.startsWith('221') === true }
}

/** Postfix splits at whatever it can: the defaults of that time. */
const OPEN = { smtpd_forbid_bare_newline: 'no', smtpd_forbid_unauth_pipelining: 'no', cleanup_replace_stray_cr_lf: 'no' }
const behind = useStarted(() => startMailPostfix('far.test', ['anna'], OPEN))
const configWith = (bareLineFeeds: 'reject' | 'normalize'): string => `
bareLineFeeds: ${bareLineFeeds}
routes: [{ name: far, match: ["*"], type: smtp, hosts: ["127.0.0.1:${behind.port}"] }]
`
const strict = useSluice(() => configWith('reject'))
const normalizing = useSluice(() => configWith('normalize'))
const inFront = useStarted(() =>
  startPostfix({ parameters: { ...OPEN, relayhost: `[127.0.0.1]:${strict.smtpPort}`, relay_domains: 'far.test' } }),
)

const subjects = async (): Promise<string[]> =>
  (await behind.mails('anna', 0)).map((mail) => /^Subject: (.*)\r$/m.exec(mail.toString('latin1'))?.[1] ?? '').sort()

describe('R-smuggle on the wire', () => {
  it('R-smuggle: refused with 550 5.6.11, in step, and nothing of it ever leaves', async () => {
    for (const [nth, sequence] of SEQUENCES.entries()) {
      const { reply, inStep } = await send(strict.smtpPort, smuggling(sequence, nth))
      expect(`${shown(sequence)} ${reply?.slice(0, 10)} ${inStep}`).toBe(`${shown(sequence)} 550 5.6.11 true`)
    }
    expect(strict.events('reception')).toEqual([])
  })

  it('R-smuggle: behind a Postfix that passes them on, Sluice gets no second message', async () => {
    // Where this Postfix itself sees an end of content there is nothing left to pass on: two transactions reach us.
    const passedOn = SEQUENCES.filter((sequence) => !/\n\.\r*\n/.test(sequence))
    expect(passedOn).toHaveLength(8)
    for (const [nth, sequence] of passedOn.entries()) {
      const { reply, inStep } = await send(inFront.port, smuggling(sequence, 100 + nth))
      expect(`${shown(sequence)} ${reply?.slice(0, 9)} ${inStep}`).toBe(`${shown(sequence)} 250 2.0.0 true`)
    }
    const settled = /status=(?:sent|bounced)/g
    await eventually('all outcomes', async () => (await inFront.log()).match(settled)?.length === passedOn.length)
    const refused = (await inFront.log()).match(/status=bounced \(host 127\.0\.0\.1\[127\.0\.0\.1\] said: 550 5\.6\.11 /g)
    expect(refused).toHaveLength(passedOn.length)
    expect(strict.events('reception')).toEqual([])
    expect(await inFront.log()).not.toContain('smuggler@')
  })

  it('R-smuggle: made harmless where the config says so, it is one message here and behind', async () => {
    const before = await subjects()
    for (const [nth, sequence] of SEQUENCES.entries()) {
      const { reply, inStep } = await send(normalizing.smtpPort, smuggling(sequence, 200 + nth))
      expect(`${shown(sequence)} ${reply?.slice(0, 19)} ${inStep}`).toBe(`${shown(sequence)} 250 2.0.0 queued as true`)
    }
    const expected = [...before, ...SEQUENCES.map((_, nth) => `outer ${200 + nth}`)].sort()
    await eventually('all of them', () => normalizing.events('delivery').length >= SEQUENCES.length)
    await eventually('all of them behind', async () => (await subjects()).length >= expected.length)
    expect(await subjects()).toEqual(expected)
    expect(await behind.log()).not.toContain('smuggler@')
    for (const mail of await behind.mails('anna')) expect(mail.toString('latin1').replaceAll('\r\n', '')).not.toMatch(/[\r\n\0]/)
  })

  it('R-smuggle: the Postfix behind does split when it is asked directly, so that this proves something', async () => {
    await send(behind.port, smuggling('\n.\n', 300)).catch(() => {})
    const found = await eventually('both', async () => {
      const some = (await subjects()).filter((subject) => subject.endsWith(' 300'))
      return some.length === 2 && some
    })
    expect(found).toEqual(['outer 300', 'smuggled 300'])
  })
})
