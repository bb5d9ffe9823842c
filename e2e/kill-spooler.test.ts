/** kill −9 of the spooler in mid-flow, with messages that it has to take apart: each part is delivered exactly once. */
import { type FarEnd, startFarEnd } from '@sluice/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { idsAt, untilDelivered } from './support/accounts.ts'
import { type Sluice, startSluice } from './support/gateway.ts'
import { startLoad } from './support/load.ts'
import { killAndAwaitNext } from './support/processes.ts'

const COUNT = 2000
const KILLS = [300, 800, 1300]

let ends: FarEnd[]
let sluice: Sluice
beforeAll(async () => {
  ends = [await startFarEnd(), await startFarEnd()]
  const route = (end: FarEnd, n: number) =>
    `  - { name: far${n}, match: [far${n}.test], type: smtp, hosts: ["127.0.0.1:${end.port}"] }`
  sluice = await startSluice({
    config: `
hostname: mx.sluice.test
trustedNetworks: [127.0.0.1/32]
routes:
${ends.map(route).join('\n')}
`,
  })
})
afterAll(async () => {
  await sluice?.stop()
  for (const end of ends ?? []) await end.stop()
})

describe('the spooler is killed in mid-flow', () => {
  it('makes every task of every message once, and delivers it once', async () => {
    const to = (n: number) => [`m${n}@far0.test`, `m${n}@far1.test`]
    const load = startLoad({ port: sluice.smtpPort, count: COUNT, to })
    for (const at of KILLS) {
      await ends[0]?.received(at, 60_000)
      await killAndAwaitNext(sluice, 'spooler')
    }
    await load.done
    for (const end of ends) {
      const account = await untilDelivered(sluice, load.messages, () => idsAt(end))
      expect(account).toEqual({ lost: [], doubles: 0, unanswered: 0 })
      expect(end.messages).toHaveLength(COUNT)
    }
  })
})
