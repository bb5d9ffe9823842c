/**
 * Reply rules, applied to the judgement of one refusal: a rule may make it final or temporary, have the message tried again sooner,
 * and curb the whole site. Every rule that acts is an event, once in an attempt. Replies of our own mailbox are not looked at: what
 * rules know is how providers speak.
 */
import type { Curb, Outcome } from '@sluice/contracts'
import type { Directory } from '@sluice/directory'
import type { Log, Metrics, TraceIds } from '@sluice/runtime'
import { curbOf, type Judgement, type ReplyRule, replyText } from '@sluice/smtp'
import { Counter } from 'prom-client'
import type { ShapedRoute } from './shaped-route.ts'

const ACTIONS = ['pause', 'connections', 'rate', 'retry', 'permanent', 'temporary'] as const
type Action = (typeof ACTIONS)[number]

export type RuleParts = {
  /** Message ID. */
  id: string
  destination: string
  route: ShapedRoute
  /** Rules that this attempt has told of already. */
  told: Set<string>
  /** Of the attempt, where it is traced. */
  ids: TraceIds | undefined
}

export type Ruled = { judgement: Judgement; curb: Curb | null }
export type ApplyReplyRules = (judgement: Judgement, parts: RuleParts) => Ruled

const actionsOf = ({ actions }: ReplyRule): Action[] => [
  ...(actions.pauseMs === null ? [] : (['pause'] as const)),
  ...(actions.connections === null ? [] : (['connections'] as const)),
  ...(actions.intervalUs === null ? [] : (['rate'] as const)),
  ...(actions.retryMs === null ? [] : (['retry'] as const)),
  ...(actions.permanent === null ? [] : ([actions.permanent ? 'permanent' : 'temporary'] as const)),
]

const inClass = (status: string, digit: '4' | '5'): string => `${digit}${status.slice(1)}`

const ruledOutcome = (outcome: Exclude<Outcome, { kind: 'delivered' }>, { actions }: ReplyRule): Outcome => {
  const { status, reason, reply, stage } = outcome
  const isFinal = actions.permanent ?? outcome.kind === 'bounced'
  if (isFinal)
    return outcome.kind === 'bounced'
      ? outcome
      : { kind: 'bounced', status: inClass(status, '5'), reason, reply, stage, cause: 'refused' }
  const unknown = outcome.kind === 'deferred' && outcome.unknown
  const retry = actions.retryMs === null ? {} : { retryMs: actions.retryMs }
  return { kind: 'deferred', status: inClass(status, '4'), reason, reply, stage, unknown, ...retry }
}

export type ApplyReplyRulesDependencies = {
  directory: Pick<Directory, 'replyRuleOf'>
  log: Log
  metrics: Metrics
  event: () => void
}

export const declareActions = (registry: Metrics): Counter<'action'> => {
  const count = new Counter({
    name: 'sluice_reply_rule_actions_total',
    help: 'What reply rules did: pause, connections and rate curb the site; retry, permanent and temporary are about the message',
    labelNames: ['action'] as const,
    registers: [registry],
  })
  for (const action of ACTIONS) count.inc({ action }, 0)
  return count
}

export const createApplyReplyRules = (deps: ApplyReplyRulesDependencies): ApplyReplyRules => {
  const count = declareActions(deps.metrics)

  const tell = (rule: ReplyRule, words: string, { id, destination, route, told, ids }: RuleParts): void => {
    if (told.has(rule.name)) return
    told.add(rule.name)
    const actions = actionsOf(rule)
    for (const action of actions) count.inc({ action })
    deps.event()
    deps.log.event('curb', { id, destination, site: route.site.name, rule: rule.name, actions, reply: words }, ids)
  }

  return (judgement, parts) => {
    const { outcome } = judgement
    const { route } = parts
    const isOurs = route.type === 'local' || judgement.tooManyRecipients
    if (isOurs || outcome.kind === 'delivered' || outcome.reply === null) return { judgement, curb: null }
    const { stage, reply } = outcome
    const rule = deps.directory.replyRuleOf({ siteName: route.site.name, hosts: route.site.hosts, stage, reply })
    if (rule === null) return { judgement, curb: null }
    tell(rule, replyText(reply), parts)
    const concerns = rule.actions.permanent === null ? judgement.concerns : 'message'
    return { judgement: { ...judgement, outcome: ruledOutcome(outcome, rule), concerns }, curb: curbOf(rule, reply) }
  }
}
