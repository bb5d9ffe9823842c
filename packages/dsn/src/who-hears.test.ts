import type { Notify, Outcome } from '@sluice/contracts'
import { judge, parseReply } from '@sluice/smtp'
import { expect, it } from 'vitest'
import { type HearingOptions, type RecipientResult, whoHears } from './index.ts'

const host = 'mx.example.org'
const outcome = (stage: 'rcpt' | 'dot', reply: string, relayed = false): Outcome =>
  judge({ kind: 'reply', stage, host, reply: parseReply([reply]), relayed }).outcome
const failed = outcome('rcpt', '550 5.1.1 no')
const later = outcome('rcpt', '450 4.2.0 later')
const delivered = outcome('dot', '250 ok')
const relayed = outcome('dot', '250 ok', true)

const result = (address: string, given: Outcome, notify?: Notify[]): RecipientResult => ({
  recipient: notify === undefined ? { address } : { address, notify },
  outcome: given,
  host,
  lastAttemptAt: 1,
})

/** `failed: a b` for each notice. */
const plan = (results: RecipientResult[], options: Partial<HearingOptions> = {}): string[] => {
  const planned = whoHears('anna@sluice.test', results, { delayDue: false, dsnPassed: false, ...options })
  return planned.kind === 'notices'
    ? planned.notices.map((notice) => `${notice.kind}: ${notice.results.map((one) => one.recipient.address).join(' ')}`)
    : ['double-bounce']
}

it('R-one-notice: all recipients that failed at one moment share one notice', () => {
  expect(plan([result('a', failed), result('b', delivered), result('c', failed, ['FAILURE', 'DELAY'])])).toEqual(['failed: a c'])
})

it('R-one-notice: NOTIFY=NEVER hears nothing, SUCCESS alone hears of no failure', () => {
  const never: Notify[] = ['NEVER']
  expect(
    plan([result('a', failed, never), result('b', delivered, never), result('c', later, never)], { delayDue: true }),
  ).toEqual([])
  expect(plan([result('a', failed, ['SUCCESS'])])).toEqual([])
})

it('R-one-notice: NOTIFY=SUCCESS makes a report: delivered here, relayed to a host without DSN, none when DSN was passed on', () => {
  const both = [result('a', delivered, ['SUCCESS']), result('b', relayed, ['SUCCESS']), result('c', delivered)]
  expect(plan(both)).toEqual(['relayed: b', 'delivered: a'])
  expect(plan([result('a', delivered, ['SUCCESS'])], { dsnPassed: true })).toEqual([])
})

it('R-one-notice: DELAY hears once the time has come, others never', () => {
  const waiting = [result('a', later, ['DELAY']), result('b', later), result('c', later, ['FAILURE'])]
  expect(plan(waiting)).toEqual([])
  expect(plan(waiting, { delayDue: true })).toEqual(['delayed: a'])
})

it('R-double: a message from the null reverse-path makes no notice, its failures are a double bounce', () => {
  const options = { delayDue: true, dsnPassed: false }
  expect(whoHears('', [result('a', failed), result('b', delivered, ['SUCCESS'])], options)).toEqual({
    kind: 'double-bounce',
    results: [result('a', failed)],
  })
  expect(whoHears('', [result('a', later, ['DELAY']), result('b', delivered, ['SUCCESS'])], options)).toEqual({
    kind: 'notices',
    notices: [],
  })
})

it('R-null: a message from <> that is delivered makes no notice either', () => {
  expect(whoHears('', [result('a', delivered, ['SUCCESS'])], { delayDue: false, dsnPassed: false })).toEqual({
    kind: 'notices',
    notices: [],
  })
})
