/** The reply rules in force: own ones first, then the shipped ones of reply-rules.yaml but for those that own ones replace or switch off. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { loadYaml, validate } from '@sluice/runtime'
import type { ReplyRuleText } from '@sluice/smtp'
import { z } from 'zod'
import { replyRuleSchema } from './schema-reply-rules.ts'

const SHIPPED = new URL('./reply-rules.yaml', import.meta.url)

export type WrittenReplyRule = z.output<typeof replyRuleSchema>

/** @throws ConfigError when the file is damaged */
export const shippedReplyRules = async (): Promise<WrittenReplyRule[]> => {
  const file = fileURLToPath(SHIPPED)
  return validate(z.array(replyRuleSchema), loadYaml(await readFile(file, 'utf8'), file, {}))
}

export const mergeReplyRules = (own: readonly WrittenReplyRule[], shipped: readonly WrittenReplyRule[]): ReplyRuleText[] => {
  const named = new Set(own.map(({ name }) => name))
  return [...own.filter(({ off }) => !off), ...shipped.filter(({ name }) => !named.has(name))].map(({ off: _, ...rule }) => rule)
}
