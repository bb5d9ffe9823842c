/** One mail handed in over SMTP, with whatever parameters and addresses a scenario wants. */
import { openWire } from './wire.ts'

export type Submission = {
  /** '' for the null reverse-path. */
  from: string
  /** `ok@far.test`, or with parameters `<ok@far.test> NOTIFY=NEVER`. */
  to: string[]
  /** Of MAIL: `RET=HDRS ENVID=1`. */
  parameters?: string
  subject?: string
  body?: string
  /** Where the server is; 127.0.0.1 unless told. */
  host?: string
}

export type Submitted = {
  /** Of `queued as ID`; null when it was refused. */
  id: string | null
  /** To MAIL, each RCPT, DATA and, if that went well, the final dot. */
  replies: string[]
}

const path = (address: string): string => (address.startsWith('<') ? address : `<${address}>`)

/** Says everything whatever the replies, and leaves with QUIT. */
export const submitRaw = async (port: number, mail: Submission): Promise<Submitted> => {
  const wire = await openWire(port, mail.host)
  await wire.say('EHLO client.test')
  const said = await wire.say(
    `MAIL FROM:<${mail.from}>${mail.parameters === undefined ? '' : ` ${mail.parameters}`}`,
    ...mail.to.map((address) => `RCPT TO:${path(address)}`),
    'DATA',
  )
  const replies = said.map((reply) => reply ?? 'the connection has ended')
  if (replies.at(-1)?.startsWith('354')) {
    const sender = mail.from === '' ? 'MAILER-DAEMON@client.test' : mail.from
    wire.write(
      `From: <${sender}>\r\nSubject: ${mail.subject ?? 'a mail'}\r\nMessage-ID: <1@client.test>\r\n\r\n${mail.body ?? 'A line.'}\r\n.\r\n`,
    )
    replies.push((await wire.reply()) ?? 'the connection has ended')
  }
  await wire.say('QUIT')
  wire.close()
  return { id: /queued as (\w+)$/.exec(replies.at(-1) ?? '')?.[1] ?? null, replies }
}

/** @returns the ID @throws when anything was refused */
export const submit = async (port: number, mail: Submission): Promise<string> => {
  const { id, replies } = await submitRaw(port, mail)
  if (id === null || replies.some((reply) => !/^[23]/.test(reply))) throw new Error(`refused: ${replies.join(' | ')}`)
  return id
}
