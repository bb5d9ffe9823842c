/** kill −9 of the spooler in mid-flow, with messages that it has to take apart: each part is delivered exactly once. */
import { describe, expect, it } from 'vitest'
import { idsAt, untilDelivered } from './support/accounts.ts'
import { startLoad } from './support/load.ts'
import { killAndAwaitNext } from './support/processes.ts'
import { routesTo, useFarEnd, useSluice } from './support/scene.ts'

const COUNT = 2000
const KILLS = [300, 800, 1300]

const ends = [useFarEnd(), useFarEnd()] as const
const sluice = useSluice(() => routesTo({ far0: ends[0], far1: ends[1] }))

describe('the spooler is killed in mid-flow', () => {
  it('makes every task of every message once, and delivers it once', async () => {
    const to = (n: number) => [`m${n}@far0.test`, `m${n}@far1.test`]
    const load = startLoad({ port: sluice.smtpPort, count: COUNT, to })
    for (const at of KILLS) {
      await ends[0].received(at, 60_000)
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
