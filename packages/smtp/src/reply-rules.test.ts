import type { Reply } from '@sluice/contracts'
import { describe, expect, it } from 'vitest'
import { compileReplyRules, curbOf, matchReplyRule, type Refusal, type ReplyRuleText } from './reply-rules.ts'

const NOTHING = { pauseMs: null, connections: null, intervalUs: null, forMs: null, retryMs: null, permanent: null }
const ANY = { site: null, codes: null, enhanced: null, text: null, stages: null }

const rule = (name: string, match: Partial<ReplyRuleText['match']>, actions: Partial<ReplyRuleText> = {}): ReplyRuleText => ({
  name,
  match: { ...ANY, ...match },
  ...NOTHING,
  ...actions,
})

const refusal = (reply: Reply, given: Partial<Refusal> = {}): Refusal => ({
  siteName: 'mx1.big.test,mx2.big.test',
  hosts: ['mx1.big.test', 'mx2.big.test'],
  stage: 'rcpt',
  reply,
  ...given,
})

const nameOf = (rules: ReplyRuleText[], given: Refusal): string | null =>
  matchReplyRule(compileReplyRules(rules), given)?.name ?? null

describe('reply rules', () => {
  it.each<[string, Partial<ReplyRuleText['match']>, Refusal, boolean]>([
    ['a code', { codes: ['421'] }, refusal({ code: 421, text: ['busy'] }), true],
    ['another code', { codes: ['421'] }, refusal({ code: 451, text: ['busy'] }), false],
    ['codes of a kind', { codes: ['45x', '5xx'] }, refusal({ code: 452, text: [] }), true],
    ['codes of a kind', { codes: ['45x', '5xx'] }, refusal({ code: 421, text: [] }), false],
    ['an enhanced code', { enhanced: ['4.7.28'] }, refusal({ code: 421, enhanced: '4.7.28', text: [] }), true],
    ['an enhanced code', { enhanced: ['4.7.2'] }, refusal({ code: 421, enhanced: '4.7.28', text: [] }), false],
    ['enhanced codes of a kind', { enhanced: ['4.7.*'] }, refusal({ code: 421, enhanced: '4.7.28', text: [] }), true],
    ['no enhanced code', { enhanced: ['4.7.*'] }, refusal({ code: 421, text: ['4.7.1'] }), false],
    ['a host', { site: ['*.big.test'] }, refusal({ code: 421, text: [] }), true],
    ['the site', { site: ['mx1.big.test,mx2.big.test'] }, refusal({ code: 421, text: [] }), true],
    ['another host', { site: ['*.small.test'] }, refusal({ code: 421, text: [] }), false],
    ['a stage', { stages: ['greeting'] }, refusal({ code: 421, text: [] }, { stage: 'greeting' }), true],
    ['another stage', { stages: ['greeting'] }, refusal({ code: 421, text: [] }), false],
    [
      'text over lines',
      { text: 'unusual rate of unsolicited' },
      refusal({ code: 421, text: ['an unusual rate of', ' unsolicited mail'] }),
      true,
    ],
    ['all together', { codes: ['4xx'], text: 'busy', stages: ['rcpt'] }, refusal({ code: 450, text: ['Busy now'] }), true],
    ['all but one', { codes: ['4xx'], text: 'idle', stages: ['rcpt'] }, refusal({ code: 450, text: ['Busy now'] }), false],
  ])('match %s: %o', (_what, match, given, expected) => {
    expect(nameOf([rule('it', match)], given)).toBe(expected ? 'it' : null)
  })

  it('are asked in order, and only about refusals', () => {
    const rules = [rule('first', { text: 'busy' }), rule('second', {})]
    expect(nameOf(rules, refusal({ code: 421, text: ['busy'] }))).toBe('first')
    expect(nameOf(rules, refusal({ code: 421, text: ['gone'] }))).toBe('second')
    expect(nameOf(rules, refusal({ code: 250, text: ['busy'] }))).toBeNull()
    expect(nameOf(rules, refusal({ code: 354, text: ['busy'] }))).toBeNull()
  })

  it('cost next to nothing for replies that refuse nothing', () => {
    const many = compileReplyRules(Array.from({ length: 100 }, (_, i) => rule(`rule-${i}`, { text: `x.*y${i}` })))
    const given = refusal({ code: 250, text: ['x'.repeat(500)] })
    const began = performance.now()
    for (let i = 0; i < 100_000; i++) matchReplyRule(many, given)
    expect(performance.now() - began).toBeLessThan(500)
  })

  it('say what they ask of the site', () => {
    const reply = { code: 421, enhanced: '4.7.0', text: ['slow down'] }
    const compiled = compileReplyRules([
      rule('slow', {}, { pauseMs: 1000, connections: 2, intervalUs: 5, forMs: 60_000, retryMs: 1 }),
    ])
    const found = matchReplyRule(compiled, refusal(reply))
    expect(found && curbOf(found, reply)).toEqual({
      rule: 'slow',
      reason: '421 4.7.0 slow down',
      pauseMs: 1000,
      connections: 2,
      intervalUs: 5,
      forMs: 60_000,
    })
    const [retry] = compileReplyRules([rule('later', {}, { retryMs: 1000 })])
    expect(retry && curbOf(retry.rule, reply)).toBeNull()
  })
})
