/** What got a 250 against what arrived, by the recipient that each message has for itself. */
import { eventually } from '../support/gateway.ts'
import type { MailLoad } from './mail-load.ts'
import { watchRate } from './rate.ts'

const ARRIVED_WITHIN_MS = 300_000

/** Recipients of everything that arrived, one for each time it did. */
export type Arrivals = () => Promise<string[]>

const missing = (load: MailLoad, arrived: readonly string[]): string[] => {
  const there = new Set(arrived)
  return load.accepted.filter((address) => !there.has(address))
}

/** Resolves when nothing is missing; or, with something missing, at the limit: it is then for the account to say. */
const untilArrived = async (load: MailLoad, arrivals: Arrivals): Promise<string[]> => {
  let arrived: string[] = []
  const isAll = async (): Promise<boolean> => {
    arrived = await arrivals()
    return missing(load, arrived).length === 0
  }
  await eventually('all to arrive', isAll, ARRIVED_WITHIN_MS, 1000).catch(() => {})
  return arrived
}

/** Ends the load, waits for what is under way, and tells. @throws with the same text when a message is lost */
export const account = async (load: MailLoad, arrivals: Arrivals): Promise<string> => {
  const rate = watchRate(load, true)()
  await load.stop()
  const arrived = await untilArrived(load, arrivals)
  const lost = missing(load, arrived)
  const count = (stage: string): number => load.refusals.filter((refusal) => refusal.stage === stage).length
  const doubles = arrived.length - new Set(arrived).size
  const refusals = `${count('connect')} connections refused, ${count('cut')} cut, ${count('reply')} replies 4xx, ${count('unknown')} of unknown fate, ${count('goodbye')} told goodbye between two messages`
  const text = `${load.accepted.length} accepted, ${lost.length} lost, ${doubles} doubled; ${rate}; ${refusals}`
  if (lost.length > 0 || load.accepted.length === 0) throw new Error(`${text}; lost: ${lost.slice(0, 5).join(', ')}`)
  return text
}
