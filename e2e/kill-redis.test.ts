/** kill −9 of Redis in mid-flow: clients are put off, agents keep what they have to record, and all goes on by itself. */
import { type FarEnd, startFarEnd } from '@sluice/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { idsAt, untilDelivered } from './support/accounts.ts'
import { type Sluice, startSluice } from './support/gateway.ts'
import { startLoad } from './support/load.ts'

const COUNT = 2000
const CONNECTIONS = 10
const KILLS = [400, 900, 1400]

let far: FarEnd
let sluice: Sluice
beforeAll(async () => {
  far = await startFarEnd()
  sluice = await startSluice({
    config: `
hostname: mx.sluice.test
trustedNetworks: [127.0.0.1/32]
routes: [{ name: far, match: ["*"], type: smtp, hosts: ["127.0.0.1:${far.port}"] }]
`,
  })
})
afterAll(async () => {
  await sluice?.stop()
  await far?.stop()
})

describe('redis is killed in mid-flow', () => {
  it('R-451: loses nothing that got a 250, delivers nothing twice, and what was refused is never delivered', async () => {
    const load = startLoad({ port: sluice.smtpPort, count: COUNT, connections: CONNECTIONS, to: (n) => `m${n}@far.test` })
    for (const at of KILLS) {
      await load.reached(at)
      sluice.kill('redis')
    }
    await load.done
    const { lost, doubles, unanswered } = await untilDelivered(sluice, load.messages, () => idsAt(far))
    expect({ lost, doubles }).toEqual({ lost: [], doubles: 0 })
    expect(load.refusals.filter((reply) => !/^(421|451) 4\.3\./.test(reply))).toEqual([])
    // A write whose answer was lost is refused too, and said to be a possible duplicate: nothing else arrives without a 250.
    expect(unanswered).toBeLessThanOrEqual(sluice.events('duplicate-suspected').length)
  })
})
