/** How often Redis ran its commands, for figures per message. */
import type { Redis } from 'ioredis'

/** By command in lower case; what scripts call within is counted beside the call of the script. */
export const commandCalls = async (redis: Redis): Promise<Record<string, number>> => {
  const stats = await redis.info('commandstats')
  const found = stats.matchAll(/^cmdstat_([\w|]+):calls=(\d+)/gm)
  return Object.fromEntries([...found].map(([, name = '', calls]) => [name, Number(calls)]))
}

export const callsBetween = (before: Record<string, number>, after: Record<string, number>): { scripts: number; all: number } => {
  const since = (name: string): number => (after[name] ?? 0) - (before[name] ?? 0)
  const all = Object.keys(after).reduce((sum, name) => sum + since(name), 0)
  return { scripts: since('evalsha') + since('eval'), all }
}
