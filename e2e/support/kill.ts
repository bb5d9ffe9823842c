/** A service is killed again and again while mail flows to one far end. */
import type { FarEnd } from '@sluice/testkit'
import { type Account, idsAt, untilDelivered } from './accounts.ts'
import type { ServiceName, Sluice } from './gateway.ts'
import { type Load, startLoad } from './load.ts'

export type Killing = {
  service: ServiceName
  messages: number
  connections: number
  /** After so many 250s, each time. */
  kills: readonly number[]
}

/** kill −9; resolves when all that got a 250 has arrived. */
export const killInMidFlow = async (sluice: Sluice, far: FarEnd, killing: Killing): Promise<Account & { load: Load }> => {
  const { service, messages, connections, kills } = killing
  const load = startLoad({ port: sluice.smtpPort, count: messages, connections, to: (n) => `m${n}@far.test` })
  for (const at of kills) {
    await load.reached(at)
    sluice.kill(service)
  }
  await load.done
  return { ...(await untilDelivered(sluice, load.messages, () => idsAt(far))), load }
}
