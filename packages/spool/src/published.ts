/**
 * The scripts as texts, for delivery-agents that are not written here: ours as they are composed, and the commands of BullMQ by
 * which a session is taken, its lock renewed, and a dead agent's session found (docs/delivery-agent-contract.md).
 */
import { createHash } from 'node:crypto'
import { COMPOSED, SCRIPT_KEYS, shippedCommands } from './script.ts'

const FOR_AGENTS = ['moveToActive', 'extendLock', 'moveStalledJobsToWait']

export type PublishedScript = {
  name: string
  origin: 'sluice' | 'bullmq'
  /** How many of EVALSHA's arguments are keys. */
  keys: number
  /** What EVALSHA takes, once Redis has the text. */
  sha1: string
  text: string
}

const published = (origin: PublishedScript['origin'], name: string, keys: number, text: string): PublishedScript => ({
  name,
  origin,
  keys,
  sha1: createHash('sha1').update(text).digest('hex'),
  text,
})

export const publishedScripts = (): PublishedScript[] => [
  ...COMPOSED.map(({ name, text }) => published('sluice', name, SCRIPT_KEYS, text)),
  ...shippedCommands(FOR_AGENTS).map(({ name, keys, content }) => published('bullmq', name, keys, content)),
]
