/** The scaling figure: `GET /scaling` for KEDA and people, `sluice_sessions_wanted` for Prometheus. Every spooler tells the same. */
import { setTimeout as sleep } from 'node:timers/promises'
import { placesInLane } from '@sluice/contracts'
import type { Metrics } from '@sluice/runtime'
import type { SessionsWanted } from '@sluice/spool'
import { Gauge } from 'prom-client'

export type Scaling = SessionsWanted & {
  /**
   * Places of agents that all conversations wanted now take, open and waiting ones together. An agent's places are divided among the
   * lanes: where one lane wants more than its part, as many as the agents have that hold its conversations.
   */
  sessions: number
  /** Conversations that one agent holds at once (`delivery.sessions`). */
  perAgent: number
  /** Agents that all of them take. */
  agents: number
}

/** @param perAgent `delivery.sessions` */
export const createScaling =
  (read: () => Promise<readonly SessionsWanted[]>, perAgent: number) =>
  /** @throws when Redis does not answer: whoever scales by it then leaves things as they are */
  async (): Promise<Scaling> => {
    const lanes = await read()
    let [open, waiting, fullest] = [0, 0, 0]
    for (const lane of lanes) {
      open += lane.open
      waiting += lane.waiting
      fullest = Math.max(fullest, lane.open + lane.waiting)
    }
    const sessions = Math.max(open + waiting, Math.ceil((perAgent * fullest) / placesInLane(perAgent, lanes.length)))
    return { sessions, open, waiting, perAgent, agents: Math.ceil(sessions / perAgent) }
  }

/** A scrape waits no longer for it. */
const PATIENCE_MS = 1000

/** While Redis is away there is no value, not a wrong one. */
export const declareScaling = (registry: Metrics, scaling: () => Promise<Pick<Scaling, 'sessions'>>): void => {
  new Gauge({
    name: 'sluice_sessions_wanted',
    help: 'Conversations that are wanted now, for scaling delivery-agents: open ones, and those due and permitted that wait for an agent; never the backlog. Where one lane wants more than its part of an agent, as many as the agents for it hold. Each spooler tells the whole: take the max',
    registers: [registry],
    async collect() {
      const asked = scaling().catch(() => null)
      const found = await Promise.race([asked, sleep(PATIENCE_MS, null, { ref: false })])
      if (found === null) this.remove()
      else this.set(found.sessions)
    },
  })
}
