/** What policies and reply rules make of a conversation. */
import { createDirectory } from '@sluice/directory'
import { createMetrics, type Fields } from '@sluice/runtime'
import type { ReplyRuleText } from '@sluice/smtp'
import { describe, expect, it } from 'vitest'
import { createApplyReplyRules } from './apply-reply-rules.ts'
import { CONTENT, createBench, glance, makeRoute, makeTask, pieces, useFarEnds } from './test-support/deliver.ts'

const farEnd = useFarEnds()

const RULE: ReplyRuleText = {
  name: 'mine',
  match: { site: null, codes: null, enhanced: null, text: null, stages: null },
  pauseMs: null,
  connections: null,
  intervalUs: null,
  forMs: null,
  retryMs: null,
  permanent: null,
}

/** Deliveries under these rules, and what they told. */
const underRules = async (...rules: ReplyRuleText[]) => {
  const events: Fields[] = []
  const quiet = () => {}
  const log = {
    event: (_name: string, fields: Fields) => void events.push(fields),
    debug: quiet,
    info: quiet,
    warn: quiet,
    error: quiet,
    child: () => log,
  }
  const metrics = createMetrics('test', { processFigures: false })
  const directory = createDirectory({ domains: [], accounts: [], routes: [], trustedNetworks: [], replyRules: rules })
  const bench = await createBench({ applyRules: createApplyReplyRules({ directory, log, metrics, event: () => {} }) })
  return { ...bench, events, metrics }
}

describe('messages per connection', () => {
  it('are kept within a session and over the pool', async () => {
    const end = await farEnd()
    const bench = await createBench({ idleConnectionMs: 5000 })
    const route = makeRoute([end], { messagesPerConnection: 3 })
    for (let i = 0; i < 7; i++) expect(glance(await bench.deliver(route, makeTask(['ok@far.test'])))).toEqual(['delivered 2.0.0'])
    await bench.conversations.closeIdle()
    expect(end.messages.map(({ connection }) => connection)).toEqual([0, 0, 0, 1, 1, 1, 2])
  })

  it('end a connection within one conversation, and count what it carried before the policy came', async () => {
    const end = await farEnd()
    const bench = await createBench({ idleConnectionMs: 5000 })
    const plain = makeRoute([end])
    const content = () => pieces(CONTENT)
    for (const [route, count] of [
      [plain, 1],
      [{ ...plain, messagesPerConnection: 2 }, 4],
    ] as const) {
      const conversation = bench.conversations.open('far', route)
      const options = { signal: new AbortController().signal, aboutToEnd: () => {} }
      for (let i = 0; i < count; i++) await conversation.deliver(makeTask(['ok@far.test']), content, options)
      conversation.release()
    }
    await bench.conversations.closeIdle()
    expect(end.messages.map(({ connection }) => connection)).toEqual([0, 0, 1, 1, 2])
  })
})

describe('the source address', () => {
  it('is where connections come from, and never that of another', async () => {
    const end = await farEnd()
    const bench = await createBench({ idleConnectionMs: 5000 })
    const seen: string[] = []
    for (const source of ['127.0.0.7', '127.0.0.8', '127.0.0.7']) {
      const report = await bench.deliver(makeRoute([end], { source }), makeTask(['ok@far.test']))
      expect(glance(report)).toEqual(['delivered 2.0.0'])
      seen.push(String(end.messages.at(-1)?.connection))
    }
    await bench.conversations.closeIdle()
    expect(seen).toEqual(['0', '1', '0'])
    expect(end.connections.map(({ remoteAddress }) => remoteAddress)).toEqual(['127.0.0.7', '127.0.0.8'])
  })

  it('leads to hosts of its family only; without one the mail waits and says why', async () => {
    const end = await farEnd()
    const bench = await createBench()
    const report = await bench.deliver(makeRoute([end], { source: '::1' }), makeTask(['ok@far.test']))
    expect(glance(report)).toEqual(['deferred 4.4.3 resolve'])
    expect(report.transcript.join('\n')).toContain('no address of the family of ::1')
  })
})

describe('reply rules', () => {
  const GREY: ReplyRuleText = { ...RULE, name: 'grey', match: { ...RULE.match, text: 'try again' }, retryMs: 300_000 }

  it('have a message tried again sooner', async () => {
    const end = await farEnd({ replies: { rcpt: '450 4.2.0 Greylisted, try again soon' } })
    const { deliver, events, metrics } = await underRules(GREY)
    const report = await deliver(makeRoute([end]), makeTask(['a@far.test', 'b@far.test']))
    expect(report.outcomes).toMatchObject([
      { kind: 'deferred', retryMs: 300_000 },
      { kind: 'deferred', retryMs: 300_000 },
    ])
    expect(report.site).toEqual({ kind: 'ok' })
    expect(events).toEqual([expect.objectContaining({ rule: 'grey', site: 'far', actions: ['retry'] })])
    expect(await metrics.metrics()).toContain('sluice_reply_rule_actions_total{action="retry"')
  })

  it('make a refusal final that calls itself temporary, and temporary that calls itself final', async () => {
    const end = await farEnd()
    const final = { ...RULE, match: { ...RULE.match, codes: ['4xx'] }, permanent: true }
    const temporary = { ...RULE, name: 'other', match: { ...RULE.match, codes: ['5xx'] }, permanent: false }
    const { deliver } = await underRules(final, temporary)
    const report = await deliver(makeRoute([end]), makeTask(['tempfail@far.test', 'reject@far.test', 'ok@far.test']))
    expect(report.outcomes.map(({ kind, status }) => `${kind} ${status[0]}`)).toEqual(['bounced 5', 'deferred 4', 'delivered 2'])
  })

  it('tell of the whole site: a site that spoke has not failed', async () => {
    const end = await farEnd({ replies: { mail: '450 4.7.28 too fast' } })
    const { deliver } = await underRules({ ...RULE, match: { ...RULE.match, enhanced: ['4.7.*'] }, pauseMs: 60_000 })
    const report = await deliver(makeRoute([end]), makeTask(['a@far.test']))
    expect(report.site).toEqual({ kind: 'curb', rule: 'mine', reason: expect.stringContaining('too fast'), pauseMs: 60_000 })
  })

  it('tell of a site that refused before any message, which is a failure, too', async () => {
    const end = await farEnd({ replies: { greeting: '421 4.7.0 too many connections from you' } })
    const curb = { ...RULE, match: { ...RULE.match, text: 'too many connections' }, connections: 2, forMs: 1000 }
    const { deliver, events } = await underRules(curb)
    const report = await deliver(makeRoute([end]), makeTask(['a@far.test', 'b@far.test']))
    expect(report.site).toMatchObject({ kind: 'curb', rule: 'mine', connections: 2, forMs: 1000, failed: true })
    expect(events).toHaveLength(1)
  })

  it('are for the far ends of others: our own mailbox means what it says', async () => {
    const end = await farEnd({ protocol: 'lmtp', replies: { rcpt: '450 4.2.0 try again' } })
    const { deliver } = await underRules({ ...GREY, pauseMs: 1000 })
    const report = await deliver(makeRoute([end], { type: 'local' }), makeTask(['a@far.test']))
    expect(report.site).toEqual({ kind: 'ok' })
    expect(report.outcomes[0]).not.toHaveProperty('retryMs')
  })
})
