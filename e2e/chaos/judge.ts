/**
 * The account of a run. Of every message that got a 250, each recipient has the mail or its sender has the notice. What came more
 * than once must have been in transmission at a fault. What was refused must not have come, unless the gateway said that it might.
 */
import type { Arrival, Arrivals } from './arrivals.ts'
import type { Entry } from './clients.ts'
import type { LogBook } from './log-book.ts'
import { isWelcome, mailOf } from './mail.ts'
import type { Cause, InTransmission } from './transmission.ts'

export type Finding = { id: string | null; n: number | null; address: string; problem: string; arrivals: Arrival[] }

export type Verdict = {
  accepted: number
  refused: number
  unknown: number
  /** Recipients of what was accepted. */
  recipients: number
  delivered: number
  bounced: number
  /** Of these, at far ends that take everything, and did not in time. */
  late: number
  /** Notices that arrived, doubled ones counted once. */
  notices: number
  /** Bounced, and nobody could be told: null reverse-path, or the notice itself failed. */
  untold: number
  /** No 250, and yet stored: dots without a reply, and writes whose fate the gateway did not know. */
  stored: number
  /** Still in the spool. */
  queued: number
  lost: Finding[]
  /** Arrivals too many, by cause. */
  doubled: Map<Cause, number>
  /** Too many, and not in transmission at any fault. */
  unexplained: Finding[]
  /** Broken content, what was refused and came all the same, what nobody sent. */
  wrong: Finding[]
  /** Arrivals that were in transmission at a fault, by cause: what might have been doubled. */
  inTransmission: Map<Cause, number>
}

export type Evidence = {
  seed: number
  ledger: readonly Entry[]
  arrivals: Arrivals
  book: LogBook
  inTransmission: InTransmission
  /** IDs that are left in the spool. */
  left: ReadonlyMap<string, unknown>
}

const keyOf = (id: string, address: string): string => `${id} ${address}`

const grouped = <T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> => {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const known = groups.get(key(item))
    if (known === undefined) groups.set(key(item), [item])
    else known.push(item)
  }
  return groups
}

type Fate = 'delivered' | 'bounced' | 'untold' | 'queued' | 'lost'

/** What became of each recipient, from what arrived and what was told. */
const createFates = ({ arrivals, book, left }: Evidence) => {
  const came = grouped(arrivals.all, ({ id, address }) => keyOf(id, address))
  const failed = new Set(arrivals.told.flatMap((told) => told.failed.map((address) => keyOf(told.about, address))))
  /** The gateway gave it up and had nobody to tell, or could not. */
  const isUntold = (id: string, address: string, from: string): boolean => {
    const steps = book.of(id)
    const gaveUp = steps.some(({ event, to }) => (event === 'bounce' || event === 'expiry') && to === address)
    const notices = steps.flatMap(({ notice }) => (notice === null ? [] : [notice]))
    const failedToo = notices.some((notice) => book.of(notice).some(({ event }) => event === 'double-bounce'))
    return gaveUp && (from === '' || failedToo)
  }
  const fateOf = (id: string, address: string, from: string): Fate => {
    if (failed.has(keyOf(id, address))) return 'bounced'
    if (came.has(keyOf(id, address))) return 'delivered'
    if (left.has(id)) return 'queued'
    return isUntold(id, address, from) ? 'untold' : 'lost'
  }
  return { came, fateOf, isBounced: (id: string, address: string) => failed.has(keyOf(id, address)) }
}

type Fates = ReturnType<typeof createFates>

const count = (counts: Map<Cause, number>, cause: Cause): void => void counts.set(cause, (counts.get(cause) ?? 0) + 1)

const emptyVerdict = (ledger: readonly Entry[]): Verdict => {
  const of = (fate: Entry['fate']): number => ledger.filter((entry) => entry.fate === fate).length
  const counts = { accepted: of('accepted'), refused: of('refused'), unknown: of('unknown') }
  const none = { recipients: 0, delivered: 0, bounced: 0, late: 0, notices: 0, untold: 0, stored: 0, queued: 0 }
  return { ...counts, ...none, lost: [], doubled: new Map(), inTransmission: new Map(), unexplained: [], wrong: [] }
}

/** Every recipient of one that is stored, whether its client knows it or not. */
const accountOf = (verdict: Verdict, evidence: Evidence, fates: Fates) => (id: string, n: number, counts: boolean) => {
  const mail = mailOf(evidence.seed, n)
  for (const address of mail.reaches) {
    const fate = fates.fateOf(id, address, mail.from)
    if (fate === 'lost') verdict.lost.push({ id, n, address, problem: 'neither delivered nor bounced', arrivals: [] })
    else if (counts) verdict[fate]++
    if (counts) verdict.recipients++
    if (!isWelcome(address)) continue
    if (fate === 'bounced' && counts) verdict.late++
    if (evidence.book.of(id).some(({ event, to }) => event === 'bounce' && to === address))
      verdict.wrong.push({ id, n, address, problem: 'bounced for good, though nobody refused it for good', arrivals: [] })
  }
}

/** All arrivals of one message at one recipient. */
const weigh = (verdict: Verdict, { inTransmission }: Evidence, fates: Fates, list: Arrival[]): void => {
  const { id, n, address } = list[0]!
  const bounced = fates.isBounced(id, address)
  const causes = list.flatMap((arrival) => inTransmission(arrival) ?? [])
  for (const cause of causes) count(verdict.inTransmission, cause)
  const surplus = list.length - (bounced ? 0 : 1)
  for (const cause of causes.slice(0, surplus)) count(verdict.doubled, cause)
  const problem = `${list.length} times${bounced ? ', and bounced' : ''}; ${causes.length} in transmission at a fault`
  if (surplus > causes.length) verdict.unexplained.push({ id, n, address, problem, arrivals: list })
}

export const judge = (evidence: Evidence): Verdict => {
  const { seed, ledger, arrivals, book } = evidence
  const verdict = emptyVerdict(ledger)
  const fates = createFates(evidence)
  const account = accountOf(verdict, evidence, fates)
  const entries = new Map(ledger.map((entry) => [entry.n, entry]))
  const stored = new Set<string>()
  for (const { id, n, fate } of ledger) if (fate === 'accepted' && id !== null) account(id, n, true)

  const check = (arrival: Arrival): void => {
    const { id, n, address, intact } = arrival
    const complain = (problem: string): void => void verdict.wrong.push({ id, n, address, problem, arrivals: [arrival] })
    if (!intact) complain('its content is not what was sent')
    if (n === null) return
    const entry = entries.get(n)
    if (entry === undefined) {
      complain('its content was never sent')
      return
    }
    if (!mailOf(seed, n).reaches.includes(address)) complain('it was not for this recipient')
    if (entry.fate === 'accepted' && entry.id !== id) complain(`its client was told another ID: ${entry.id}`)
    if (entry.fate === 'accepted' || stored.has(id)) return
    if (entry.fate === 'refused' && !book.of(id).some(({ event }) => event === 'duplicate-suspected'))
      complain(`it was refused: ${entry.reply}`)
    // what is stored is stored for all its recipients.
    stored.add(id)
    account(id, n, false)
  }
  for (const arrival of arrivals.all) check(arrival)
  for (const list of fates.came.values()) weigh(verdict, evidence, fates, list)
  verdict.stored = stored.size
  verdict.notices = new Set(arrivals.all.flatMap(({ id, n }) => (n === null ? [id] : []))).size
  for (const problem of arrivals.strange) verdict.wrong.push({ id: null, n: null, address: '', problem, arrivals: [] })
  return verdict
}

export const isGood = ({ lost, unexplained, wrong }: Verdict): boolean => lost.length + unexplained.length + wrong.length === 0
