/** The load: clients that say each mail once and keep a ledger of what they were told. Nothing is sent again under the same number. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createPace, replyWithin } from '../support/clients.ts'
import { openSmtp, type Smtp } from '../support/load.ts'
import { contentOf, type Mail, mailOf } from './mail.ts'

export type Entry = {
  n: number
  /** `refused`: it was told that the mail is not taken. `unknown`: content and dot went out, and no reply came. */
  fate: 'accepted' | 'refused' | 'unknown'
  /** Of the 250. */
  id: string | null
  /** ms since the epoch */
  at: number
  reply: string
}

export type Clients = {
  ledger: Entry[]
  count: (fate: Entry['fate']) => number
  /** Ends the load: no further mail is begun. */
  leave: () => void
  /** Resolves when every reply that will come has come. */
  done: Promise<unknown>
}

const CLIENTS = 24
const MOST_PER_CONNECTION = 20
const PAUSE_MS = 100
const REPLY_WITHIN_MS = 60_000

const replyOf = (smtp: Smtp): Promise<string> => replyWithin(smtp, REPLY_WITHIN_MS)

type Said = Pick<Entry, 'fate' | 'id' | 'reply'>

/** @throws when the connection ends before the content goes out: the mail was not sent */
const say = async (smtp: Smtp, mail: Mail): Promise<Said> => {
  smtp.write(`MAIL FROM:<${mail.from}>\r\n${mail.to.map((to) => `RCPT TO:<${to}>\r\n`).join('')}DATA\r\n`)
  const replies: string[] = []
  while (replies.length < mail.to.length + 2) replies.push(await replyOf(smtp))
  const refusal = replies.find((reply) => !/^[23]/.test(reply))
  if (refusal !== undefined) return { fate: 'refused', id: null, reply: refusal }
  if (smtp.isEnded()) throw new Error('the connection has ended')
  smtp.write(contentOf(mail))
  try {
    const reply = await replyOf(smtp)
    const id = /^250 .*queued as (\w+)/.exec(reply)?.[1] ?? null
    return { fate: id === null ? 'refused' : 'accepted', id, reply }
  } catch {
    return { fate: 'unknown', id: null, reply: '' }
  }
}

const introduce = async (smtp: Smtp): Promise<boolean> => {
  if (!(await replyOf(smtp)).startsWith('220')) return false
  smtp.write('EHLO client.chaos.test\r\n')
  return (await replyOf(smtp)).startsWith('250')
}

export const startClients = (options: { seed: number; rate: number; ports: readonly number[] }): Clients => {
  const { seed, rate, ports } = options
  const ledger: Entry[] = []
  const pace = createPace(rate)
  let numbers = 0
  let stopped = false

  const converse = async (smtp: Smtp): Promise<void> => {
    if (!(await introduce(smtp))) return
    for (let i = 0; i < MOST_PER_CONNECTION && !stopped && !smtp.isEnded(); i++) {
      await pace()
      const n = numbers++
      const said = await say(smtp, mailOf(seed, n))
      ledger.push({ n, at: Date.now(), ...said })
      if (said.fate !== 'accepted') return
    }
    smtp.write('QUIT\r\n')
  }
  const client = async (_: unknown, index: number): Promise<void> => {
    for (let turn = index; !stopped; turn++) {
      const smtp = openSmtp(ports[turn % ports.length]!)
      await converse(smtp).catch(() => {}) // it was cut before a content went out
      smtp.close()
      await sleep(PAUSE_MS)
    }
  }
  const all = Promise.all(Array.from({ length: CLIENTS }, client))
  return {
    ledger,
    count: (fate) => ledger.reduce((sum, entry) => sum + (entry.fate === fate ? 1 : 0), 0),
    leave: () => {
      stopped = true
    },
    done: all,
  }
}
