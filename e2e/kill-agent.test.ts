/** kill −9 of the delivery-agent in mid-flow, three times: its sessions go to the next one, and what was in transmission goes out again. */
import { type FarEnd, startFarEnd } from '@sluice/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { idsAt, untilDelivered } from './support/accounts.ts'
import { type Sluice, startSluice } from './support/gateway.ts'
import { startLoad } from './support/load.ts'

const COUNT = 900
const CONNECTIONS = 10

let ends: FarEnd[]
let sluice: Sluice
beforeAll(async () => {
  ends = [await startFarEnd(), await startFarEnd(), await startFarEnd()]
  const route = (end: FarEnd, n: number) =>
    `  - { name: far${n}, match: [far${n}.test], type: smtp, hosts: ["127.0.0.1:${end.port}"], connections: ${CONNECTIONS} }`
  sluice = await startSluice({
    config: `
hostname: mx.sluice.test
trustedNetworks: [127.0.0.1/32]
schedules: { quick: { delays: [1s, 1s, 1s, 1m, 1m, 1m] } }
schedule: quick
routes:
${ends.map(route).join('\n')}
`,
  })
})
afterAll(async () => {
  await sluice?.stop()
  for (const end of ends ?? []) await end.stop()
})

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
