/**
 * A steady load, and a ledger of what every client was told. Clients behave as mail servers do: a message whose connection was
 * refused or cut before its content went out, or that got a 4xx, is sent again until it is taken; one whose final reply never came
 * has an unknown fate, and is not sent again. Each message has a recipient of its own, which is how arrivals are told apart.
 */
import { createPace, replyWithin } from '../support/clients.ts'
import { openSmtp, type Smtp } from '../support/load.ts'

/**
 * A time at which a client could not do what it came for. `connect`: nobody answered, or the greeting was no 220. `cut`: the connection
 * ended without a word. `reply`: the server said no. `unknown`: the content went out, and no reply came. `goodbye`: between two
 * messages the server told that it shuts down (RFC 5321 §3.8), and the next connection found another one: nothing was refused.
 */
export type Refusal = { at: number; stage: 'connect' | 'cut' | 'reply' | 'unknown' | 'goodbye'; reply: string }

export type MailLoad = {
  /** Messages a second that are tried. */
  rate: number
  /** By `performance.now()`. */
  startedAt: number
  /** Recipients whose message got a 250, in order. */
  accepted: readonly string[]
  /** From the moment that it was due to the 250, with the connection that it may have needed, of each of them, in ms. */
  tookMs: readonly number[]
  refusals: readonly Refusal[]
  /** Resolves when everything begun has been said. No further message is begun. */
  stop: () => Promise<void>
}

/** Connections that are kept open at least, so that every pod has some. */
const CLIENTS = 32
/** At most: a server that does not answer keeps each that tries it waiting. */
const MOST_CLIENTS = 500
const PER_CONNECTION = 50
const REPLY_WITHIN_MS = 30_000
const CATCH_UP_MS = 1000

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

/** @returns whether the server has greeted, and may be talked to; if not, `note` was told */
const introduce = async (smtp: Smtp, note: (refusal: Omit<Refusal, 'at'>) => void): Promise<boolean> => {
  const greeting = await replyOf(smtp).catch(() => '')
  if (!greeting.startsWith('220')) {
    note({ stage: 'connect', reply: greeting })
    return false
  }
  smtp.write('EHLO client.test\r\n')
  const reply = await replyOf(smtp).catch(() => '')
  if (reply.startsWith('250')) return true
  note(reply === '' ? { stage: 'cut', reply } : { stage: GOODBYE.test(reply) ? 'goodbye' : 'reply', reply })
  return false
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
  /** Said first on each connection, before the greeting: a PROXY header. */
  head?: Buffer
}

type Client = { smtp: Smtp; said: number }

/** The pace is one for all: a message that is due goes over the connection that has rested longest, and over a new one when none rests. */
export const startMailLoad = (options: MailLoadOptions): MailLoad => {
  const { host, port = 25, rate, to, bytes = 1000, head } = options
  const body = `${'x'.repeat(76)}\r\n`.repeat(Math.max(1, Math.round(bytes / 78))).trimEnd()
  const accepted: string[] = []
  const tookMs: number[] = []
  const refusals: Refusal[] = []
  const again: string[] = []
  const resting: Client[] = []
  const flights = new Set<Promise<void>>()
  const pace = createPace(rate, CATCH_UP_MS)
  let number = 0
  let stopped = false
  const note = (refusal: Omit<Refusal, 'at'>): void => void refusals.push({ at: Date.now(), ...refusal })

  const open = async (): Promise<Client | null> => {
    const smtp = openSmtp(port, host)
    if (head !== undefined) smtp.write(head)
    if (await introduce(smtp, note)) return { smtp, said: 0 }
    smtp.close()
    return null
  }
  /** One that rests and is still there; none while there are few. */
  const rested = (): Client | undefined => {
    for (let index = resting.length - 1; index >= 0; index -= 1) if (resting[index]?.smtp.isEnded()) resting.splice(index, 1)
    return resting.length + flights.size < CLIENTS ? undefined : resting.shift()
  }
  const rest = (client: Client): void => {
    if (client.said < PER_CONNECTION) return void resting.push(client)
    client.smtp.write('QUIT\r\n')
    client.smtp.socket.end()
  }
  const attempt = async (recipient: string): Promise<void> => {
    const startedAt = performance.now()
    const client = rested() ?? (await open())
    if (client === null) return void again.push(recipient)
    const told = await say(client.smtp, recipient, body)
    client.said += 1
    if (told.kind === 'accepted') {
      accepted.push(recipient)
      tookMs.push(performance.now() - startedAt)
      return rest(client)
    }
    note(told.refusal)
    if (told.refusal.stage !== 'unknown') again.push(recipient)
    client.smtp.close()
  }
  const run = async (): Promise<void> => {
    while (!stopped || again.length + flights.size > 0) {
      if (flights.size >= MOST_CLIENTS || (stopped && again.length === 0)) {
        await Promise.race(flights)
        continue
      }
      await pace()
      if (stopped && again.length === 0) continue
      const flight = attempt(again.pop() ?? to(number++)).finally(() => flights.delete(flight))
      flights.add(flight)
    }
    for (const { smtp } of resting) smtp.close()
  }
  const running = run()
  return {
    ...{ rate, startedAt: performance.now(), accepted, tookMs, refusals },
    stop: () => {
      stopped = true
      return running
    },
  }
}
