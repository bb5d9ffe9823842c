/** `sluice send`: hands one mail to a listener, as any mail client would. */
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { formatAddress, parseAddress } from '@sluice/runtime'
import { createTransport } from 'nodemailer'
import { type Command, EXIT, UsageError } from '../command.ts'

const DEFAULT_SERVER = '127.0.0.1:2525'

const HELP = `Usage: sluice send --to ADDRESS [options]

Sends one mail to an SMTP listener and prints the reply, \`queued as ID\`.

  --to ADDRESS        who gets it; may be given several times
  --from ADDRESS      the sender; without it, the first --to
  --subject TEXT      "A mail from Sluice" without it
  --body TEXT         the text of the mail
  --file FILE         a file with the text of the mail, - for standard input
  --server HOST:PORT  the listener; ${DEFAULT_SERVER} without it
  --json              print { "ok", "id", "reply", "accepted", "rejected", "refusals" }

Exit codes: 0 queued for every recipient; 1 refused, at least for one; 2 the command line is wrong.
`

const OPTIONS = {
  to: { type: 'string', multiple: true },
  from: { type: 'string' },
  subject: { type: 'string' },
  body: { type: 'string' },
  file: { type: 'string' },
  server: { type: 'string' },
  json: { type: 'boolean' },
} as const

const readBody = async (body: string | undefined, file: string | undefined): Promise<string> => {
  if (body !== undefined && file !== undefined) throw new UsageError('--body and --file exclude each other')
  if (file === '-') return text(process.stdin)
  return file === undefined ? (body ?? 'This mail came through Sluice.\n') : readFile(file, 'utf8')
}

/** `refusals` holds what was said to each of the rejected. */
type Sent = { reply: string; accepted: string[]; rejected: string[]; refusals: Record<string, string> }

type Refusal = Error & { response: string; recipient?: string; rejectedErrors?: Refusal[] }
const isRefusal = (fault: unknown): fault is Refusal =>
  fault instanceof Error && 'response' in fault && typeof fault.response === 'string'

const refusalsOf = (errors: readonly Error[] | undefined): Record<string, string> =>
  Object.fromEntries((errors ?? []).filter(isRefusal).map(({ recipient, response }) => [recipient ?? '', response]))

const sendMail = async (
  server: { host: string; port: number },
  mail: { from: string; to: string[]; subject: string; text: string },
): Promise<Sent> => {
  const transport = createTransport({ ...server, ignoreTLS: true, connectionTimeout: 10_000 })
  try {
    const { response, accepted, rejected, rejectedErrors } = await transport.sendMail(mail)
    return {
      reply: response,
      accepted: accepted.map(String),
      rejected: rejected.map(String),
      refusals: refusalsOf(rejectedErrors),
    }
  } catch (fault) {
    if (isRefusal(fault))
      return { reply: fault.response, accepted: [], rejected: mail.to, refusals: refusalsOf(fault.rejectedErrors) }
    const reason = fault instanceof Error ? fault.message : String(fault)
    throw new Error(`no mail was handed to ${formatAddress(server)}: ${reason}`, { cause: fault })
  } finally {
    transport.close()
  }
}

export const send: Command = {
  name: 'send',
  summary: 'hand one mail to a listener',
  help: HELP,
  run: async (args, io) => {
    const { values } = parseArgs({ args, options: OPTIONS })
    const to = values.to ?? []
    const [first] = to
    if (first === undefined) throw new UsageError('expected --to ADDRESS')
    const nobody = to.find((address) => !address.includes('@'))
    if (nobody !== undefined) throw new UsageError(`expected an address such as me@sluice.test behind --to, not ${nobody}`)
    const server = parseAddress(values.server ?? DEFAULT_SERVER)
    if (server === null) throw new UsageError(`expected HOST:PORT behind --server, not ${values.server}`)
    const body = await readBody(values.body, values.file)
    const mail = { from: values.from ?? first, to, subject: values.subject ?? 'A mail from Sluice', text: body }
    const { reply, accepted, rejected, refusals } = await sendMail(
      server.host === '::' ? { ...server, host: '127.0.0.1' } : server,
      mail,
    )
    const id = /queued as (\S+)/.exec(reply)?.[1] ?? null
    const ok = rejected.length === 0
    if (values.json) io.out(`${JSON.stringify({ ok, id, reply, accepted, rejected, refusals })}\n`)
    else {
      if (accepted.length > 0) io.out(id === null ? `${reply}\n` : `queued as ${id}\n`)
      for (const address of rejected) io.err(`refused for ${address}: ${refusals[address] ?? reply}\n`)
    }
    return ok ? EXIT.ok : EXIT.failed
  },
}
