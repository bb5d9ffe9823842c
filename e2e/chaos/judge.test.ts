/** The judge of `npm run chaos` itself: what it must not overlook, and what it must not hold against the gateway. */
import { describe, expect, it } from 'vitest'
import type { Arrival } from './arrivals.ts'
import type { Entry } from './clients.ts'
import type { Done } from './faults.ts'
import { isGood, judge } from './judge.ts'
import { createLogBook } from './log-book.ts'
import { contentOf, mailOf, readMail } from './mail.ts'
import { createInTransmission } from './transmission.ts'

const SEED = 1
/** A mail to one steady far end. */
const N = Array.from({ length: 100 }, (_, n) => n).find((n) => mailOf(SEED, n).kind === 'one')!
const ADDRESS = mailOf(SEED, N).reaches[0]!
const HOP = ADDRESS.split('@')[1]!.replace('.test', '')
const AGENT = 'delivery-agent-0#1'

const taken: Entry = { n: N, fate: 'accepted', id: 'A1', at: 1000, reply: '250 2.0.0 queued as A1' }
const arrival = (at: number, more: Partial<Arrival> = {}): Arrival => ({
  ...{ id: 'A1', n: N, address: ADDRESS, hop: HOP, at, intact: true },
  ...more,
})
const kill = (at: number, active: string[]): Done => ({
  ...{ target: 'delivery-agent-0', life: AGENT, fault: { kind: 'kill', downMs: 100, afterMs: 0 }, note: '' },
  ...{ from: at, to: at, active: new Set(active) },
})
const freeze = (from: number, to: number, active: string[]): Done => ({
  ...{ target: 'delivery-agent-0', life: AGENT, fault: { kind: 'freeze', ms: to - from, afterMs: 0 }, note: '' },
  ...{ from, to, active: new Set(active) },
})

type Case = {
  ledger?: Entry[]
  all?: Arrival[]
  told?: { about: string; failed: string[] }[]
  done?: Done[]
  said?: [number, string][]
}

/** What was said are events of the agent about A1, by their time. */
const judged = ({ ledger = [taken], all = [], told = [], done = [], said = [] }: Case) => {
  const book = createLogBook()
  for (const [at, event] of said) {
    const fields = { event, id: 'A1', destination: HOP, to: ADDRESS, time: new Date(at).toISOString() }
    book.onLine(AGENT, JSON.stringify(fields))
  }
  const inTransmission = createInTransmission(done, book)
  const arrivals = { all, told, strange: [] }
  return judge({ seed: SEED, ledger, arrivals, book, inTransmission, left: new Map() })
}
const faults = (verdict: ReturnType<typeof judge>) => [verdict.lost.length, verdict.unexplained.length, verdict.wrong.length]

describe('the judge of a chaos run', () => {
  it('finds nothing wrong with what arrived once', () => {
    const verdict = judged({ all: [arrival(1010)] })
    expect([verdict.delivered, ...faults(verdict)]).toEqual([1, 0, 0, 0])
    expect(isGood(verdict)).toBe(true)
  })

  it('calls lost what got a 250 and neither arrived nor bounced', () => {
    expect(faults(judged({}))).toEqual([1, 0, 0])
  })

  it('calls bounced what the sender got a notice of, for this recipient', () => {
    expect(judged({ told: [{ about: 'A1', failed: [ADDRESS] }] }).bounced).toBe(1)
    expect(faults(judged({ told: [{ about: 'A1', failed: ['other@far0.test'] }] }))).toEqual([1, 0, 0])
  })

  it('finds what was bounced for good though its far end would have taken it', () => {
    const told = [{ about: 'A1', failed: [ADDRESS] }]
    expect(faults(judged({ told, said: [[1005, 'expiry']] }))).toEqual([0, 0, 0])
    expect(faults(judged({ told, said: [[1005, 'bounce']] }))).toEqual([0, 0, 1])
  })

  it('asks nothing of what was refused or had no reply, unless it arrives', () => {
    expect(faults(judged({ ledger: [{ ...taken, fate: 'unknown', id: null }] }))).toEqual([0, 0, 0])
    expect(judged({ ledger: [{ ...taken, fate: 'unknown', id: null }], all: [arrival(1010)] }).stored).toBe(1)
  })

  it('holds against the gateway what it refused and delivered, unless it said that it might', () => {
    const ledger: Entry[] = [{ ...taken, fate: 'refused', id: null, reply: '451 4.3.0' }]
    expect(faults(judged({ ledger, all: [arrival(1010)] }))).toEqual([0, 0, 1])
    expect(faults(judged({ ledger, all: [arrival(1010)], said: [[1000, 'duplicate-suspected']] }))).toEqual([0, 0, 0])
  })

  it('finds broken content, and recipients that were not named', () => {
    expect(faults(judged({ all: [arrival(1010, { intact: false })] }))[2]).toBe(1)
    expect(faults(judged({ all: [arrival(1010), arrival(1010, { address: 'x@far0.test' })] }))[2]).toBe(1)
  })
})

describe('what may come twice', () => {
  const twice = [arrival(1010), arrival(30_000)]
  const said: [number, string][] = [
    [1005, 'attempt'],
    [29_990, 'attempt'],
  ]

  it('was active when its agent was killed', () => {
    const verdict = judged({ all: twice, said, done: [kill(1011, ['A1'])] })
    expect([verdict.doubled.get('agent killed'), verdict.inTransmission.get('agent killed'), ...faults(verdict)]).toEqual([
      1, 1, 0, 0, 0,
    ])
  })

  it('is not excused by a kill after which it was active no more, nor by none', () => {
    expect(faults(judged({ all: twice, said, done: [kill(1011, [])] }))).toEqual([0, 1, 0])
    expect(faults(judged({ all: twice, said }))).toEqual([0, 1, 0])
  })

  it('is excused once for each time that it was in transmission', () => {
    const thrice = [...twice, arrival(30_001)]
    expect(faults(judged({ all: thrice, said, done: [kill(1011, ['A1'])] }))).toEqual([0, 1, 0])
  })

  it('was in hand of an agent that was frozen for longer than a lock, and taken up by another; anything less excuses nothing', () => {
    const recovered: typeof said = [...said, [17_000, 'recovery']]
    const inHand = (from: number, to: number, active = ['A1']) => ({
      all: twice,
      said: recovered,
      done: [freeze(from, to, active)],
    })
    expect(faults(judged(inHand(1011, 18_000)))).toEqual([0, 0, 0])
    expect(faults(judged(inHand(1011, 3000)))).toEqual([0, 1, 0])
    expect(faults(judged(inHand(1011, 18_000, [])))).toEqual([0, 1, 0])
    expect(faults(judged({ ...inHand(1011, 18_000), said }))).toEqual([0, 1, 0])
  })

  it('bounced, and had arrived in transmission at a fault; without one it is a contradiction', () => {
    const told = [{ about: 'A1', failed: [ADDRESS] }]
    expect(faults(judged({ all: [arrival(1010)], told, said, done: [kill(1011, ['A1'])] }))).toEqual([0, 0, 0])
    expect(faults(judged({ all: [arrival(1010)], told, said }))).toEqual([0, 1, 0])
  })
})

describe('the mails of a run', () => {
  it('are the same for the same seed, and tell who they are and whether they are whole', () => {
    expect(mailOf(SEED, N)).toEqual(mailOf(SEED, N))
    expect(mailOf(SEED + 1, N)).not.toEqual(mailOf(SEED, N))
    const unstuffed = contentOf(mailOf(SEED, N))
      .replace(/\.\r\n$/, '')
      .replaceAll('\r\n..', '\r\n.')
    expect(readMail(unstuffed)).toEqual({ n: N, intact: true })
    expect(readMail(unstuffed.replaceAll('\r\n', '\n'))).toEqual({ n: N, intact: true })
    expect(readMail(unstuffed.slice(0, -3))).toEqual({ n: N, intact: false })
  })
})
