/** What all conversations of an agent share. */
import type { Config } from '@sluice/directory'
import type { MxResolver } from '@sluice/mx'
import type { Log, Metrics } from '@sluice/runtime'
import type { ApplyReplyRules } from './apply-reply-rules.ts'
import type { ConnectionMetrics } from './connection-metrics.ts'
import type { Pool } from './pool.ts'

export type ConversationsParts = {
  config: Config
  resolver: MxResolver
  log: Log
  metrics: Metrics
  now: () => number
  /** From 0 to below 1, for routes by weight; chance by default. */
  random?: () => number
  /** Certificates (PEM) to trust instead of the system's, for `verified` and `implicit`. */
  ca?: string
  /** Without it replies mean what their codes say. */
  applyRules?: ApplyReplyRules
}

export type Shared = Omit<ConversationsParts, 'metrics' | 'random' | 'ca' | 'applyRules'> & {
  random: () => number
  ca: string | undefined
  applyRules: ApplyReplyRules
  pool: Pool
} & ConnectionMetrics
