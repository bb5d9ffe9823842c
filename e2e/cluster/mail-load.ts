/**
 * A steady load, and a ledger of what every client was told. Clients behave as mail servers do: a message whose connection was
 * refused or cut before its content went out, or that got a 4xx, is sent again until it is taken; one whose final reply never came
 * has an unknown fate, and is not sent again. Each message has a recipient of its own, which is how arrivals are told apart.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { createPace, replyWithin } from '../support/clients.ts'
import { openSmtp, type Smtp } from '../support/load.ts'

/**
 * A time at which a client could not do what it came for. `connect`: nobody answered, or the greeting was no 220. `cut`: the connection
 * ended without a word. `reply`: the server said no. `unknown`: the content went out, and no reply came. `goodbye`: between two
 * messages the server told that it shuts down (RFC 5321 §3.8), and the next connection found another one: nothing was refused.
 */
export type Refusal = { at: number; stage: 'connect' | 'cut' | 'reply' | 'unknown' | 'goodbye'; reply: string }

export type MailLoad = {
  /** Recipients whose message got a 250, in order. */
  accepted: readonly string[]
  refusals: readonly Refusal[]
  /** Resolves when everything begun has been said. No further message is begun. */
  stop: () => Promise<void>
}

const CLIENTS = 32
const PER_CONNECTION = 50
const PAUSE_MS = 200
const REPLY_WITHIN_MS = 30_000

const replyOf = (smtp: Smtp): Promise<string> => replyWithin(smtp, REPLY_WITHIN_MS)

type Told = { kind: 'accepted' } | { kind: 'refused'; refusal: Omit<Refusal, 'at'> }

const GOODBYE = /^421 4\.3\.2 /

const refused = (stage: Refusal['stage'], reply = ''): Told => ({ kind: 'refused', refusal: { stage, reply } })

const say = async (smtp: Smtp, to: string, body: string): Promise<Told> => {
  smtp.write(`MAIL FROM:<load@client.test>\r\nRCPT TO:<${to}>\r\nDATA\r\n`)
  const replies: string[] = []
  try {
    while (replies.length < 3) replies.push(await replyOf(smtp))
  } catch {
    // A server that has said goodbye (421) was read; one that has not was cut.
    const said = replies.find((reply) => reply.startsWith('4'))
    return said === undefined ? refused('cut') : refused(GOODBYE.test(said) ? 'goodbye' : 'reply', said)
  }
  const said = replies[2]?.startsWith('354') ? undefined : (replies.find((reply) => !reply.startsWith('2')) ?? '')
  if (said !== undefined) return refused(GOODBYE.test(said) ? 'goodbye' : 'reply', said)
  smtp.write(`From: <load@client.test>\r\nTo: <${to}>\r\nSubject: load\r\nMessage-ID: <${to}>\r\n\r\n${body}\r\n.\r\n`)
  try {
    const reply = await replyOf(smtp)
    return reply.startsWith('250') ? { kind: 'accepted' } : refused('reply', reply)
  } catch {
    return refused('unknown')
  }
}

export type MailLoadOptions = {
  host: string
  /** Default 25. */
  port?: number
  /** Messages a second. */
  rate: number
  /** The recipient of message n. */
  to: (n: number) => string
  /** Of the body; default 1000. */
  bytes?: number
}

export const startMailLoad = (options: MailLoadOptions): MailLoad => {
  const { host, port = 25, rate, to, bytes = 1000 } = options
  const body = `${'x'.repeat(76)}\r\n`.repeat(Math.max(1, Math.round(bytes / 78))).trimEnd()
  const accepted: string[] = []
  const refusals: Refusal[] = []
  const again: string[] = []
  const pace = createPace(rate)
  let number = 0
  let stopped = false
  const note = (refusal: Omit<Refusal, 'at'>): void => void refusals.push({ at: Date.now(), ...refusal })

  const introduce = async (smtp: Smtp): Promise<boolean> => {
    const greeting = await replyOf(smtp).catch(() => '')
    if (!greeting.startsWith('220')) {
      note({ stage: 'connect', reply: greeting })
      return false
    }
    smtp.write('EHLO client.test\r\n')
    return replyOf(smtp).then(
      (reply) => reply.startsWith('250'),
      () => false,
    )
  }
  const converse = async (smtp: Smtp): Promise<void> => {
    if (!(await introduce(smtp))) return
    for (let turn = 0; turn < PER_CONNECTION && !smtp.isEnded() && (!stopped || again.length > 0); turn += 1) {
      await pace()
      if (smtp.isEnded()) return
      const recipient = again.pop() ?? to(number++)
      const told = await say(smtp, recipient, body)
      if (told.kind === 'accepted') {
        accepted.push(recipient)
        continue
      }
      note(told.refusal)
      if (told.refusal.stage !== 'unknown') again.push(recipient)
      return
    }
    smtp.write('QUIT\r\n')
  }
  const client = async (): Promise<void> => {
    while (!stopped || again.length > 0) {
      const smtp = openSmtp(port, host)
      await converse(smtp)
      smtp.close()
      await sleep(PAUSE_MS)
    }
  }
  const all = Promise.all(Array.from({ length: CLIENTS }, client))
  return {
    accepted,
    refusals,
    stop: async () => {
      stopped = true
      await all
    },
  }
}
