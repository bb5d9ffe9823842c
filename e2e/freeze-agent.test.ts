/**
 * An agent that stands still for longer than its locks, and then goes on as if nothing had been: its sessions have gone to another
 * agent, and whatever it still does is fenced.
 */
import { describe, expect, it } from 'vitest'
import { idsAt, untilDelivered } from './support/accounts.ts'
import { eventually } from './support/gateway.ts'
import { startLoad } from './support/load.ts'
import { allTo, useFarEnd, useSluice } from './support/scene.ts'

const COUNT = 1500
const CONNECTIONS = 10
/** Longer than the lock of a session (15 s) and the look for stalled ones (5 s). */
const FROZEN_MS = 22_000

const far = useFarEnd({ delayMs: 2 })
const sluice = useSluice(
  () => `
schedules: { quick: { delays: [1s, 1s, 1s, 1m, 1m, 1m] } }
schedule: quick
${allTo(far, `connections: ${CONNECTIONS}`)}
`,
)

describe('the delivery-agent is frozen for longer than its locks', () => {
  it('loses nothing; twice goes out at most what was in its hands', async () => {
    const load = startLoad({ port: sluice.smtpPort, count: COUNT, to: (n) => `m${n}@far.test` })
    await far.received(200, 60_000)
    const frozenAt = Date.now()
    sluice.kill('delivery-agent', 'SIGSTOP')
    await load.done
    await eventually('the end of its locks', () => Date.now() - frozenAt > FROZEN_MS, 60_000, 100)
    expect(far.messages.length).toBeLessThan(COUNT)
    sluice.kill('delivery-agent', 'SIGCONT')
    const { lost, doubles, unanswered } = await untilDelivered(sluice, load.messages, () => idsAt(far), 90_000)
    expect({ lost, unanswered }).toEqual({ lost: [], unanswered: 0 })
    expect(doubles).toBeLessThanOrEqual(CONNECTIONS)
  })
})
