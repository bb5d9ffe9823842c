/** kill −9 of ingress in mid-flow: what got a 250 is delivered once, what did not is sent again by its client. */
import { type FarEnd, startFarEnd } from '@sluice/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { idsAt, unknownReplies, untilDelivered } from './support/accounts.ts'
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

describe('ingress is killed in mid-flow', () => {
  it('loses nothing that got a 250, and delivers nothing twice', async () => {
    const load = startLoad({ port: sluice.smtpPort, count: COUNT, connections: CONNECTIONS, to: (n) => `m${n}@far.test` })
    for (const at of KILLS) {
      await load.reached(at)
      sluice.kill('ingress')
    }
    await load.done
    expect(load.taken()).toBe(COUNT)
    const { lost, doubles, unanswered } = await untilDelivered(sluice, load.messages, () => idsAt(far))
    expect({ lost, doubles }).toEqual({ lost: [], doubles: 0 })
    expect(unanswered).toBeLessThanOrEqual(unknownReplies(load.messages))
    expect(unknownReplies(load.messages)).toBeLessThanOrEqual(KILLS.length * CONNECTIONS)
  })
})
