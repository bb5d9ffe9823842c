/** kill −9 of the delivery-agent in mid-flow, three times: its sessions go to the next one, and what was in transmission goes out again. */
import { describe, expect, it } from 'vitest'
import { idsAt, untilDelivered } from './support/accounts.ts'
import { startLoad } from './support/load.ts'
import { routesTo, useFarEnd, useSluice } from './support/scene.ts'

const COUNT = 900
const CONNECTIONS = 10

const ends = [useFarEnd(), useFarEnd(), useFarEnd()] as const
const sluice = useSluice(
  () => `
schedules: { quick: { delays: [1s, 1s, 1s, 1m, 1m, 1m] } }
schedule: quick
${routesTo({ far0: ends[0], far1: ends[1], far2: ends[2] }, `connections: ${CONNECTIONS}`)}
`,
)

describe('the delivery-agent is killed in mid-flow', () => {
  it('loses nothing; twice goes out at most what was in transmission', async () => {
    const loads = []
    for (const [n, end] of ends.entries()) {
      const load = startLoad({ port: sluice.smtpPort, count: COUNT, to: (each) => `m${each}@far${n}.test` })
      await end.received(150, 60_000)
      sluice.kill('delivery-agent')
      await load.done
      loads.push({ load, end })
    }
    for (const { load, end } of loads) {
      const { lost, doubles, unanswered } = await untilDelivered(sluice, load.messages, () => idsAt(end), 90_000)
      expect({ lost, unanswered }).toEqual({ lost: [], unanswered: 0 })
      expect(doubles).toBeLessThanOrEqual(CONNECTIONS)
    }
  })
})
