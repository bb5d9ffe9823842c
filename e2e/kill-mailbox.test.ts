/** kill −9 of the mailbox in mid-flow: what it acknowledged is on disk, the rest comes again. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { idsInMaildir, untilDelivered } from './support/accounts.ts'
import { eventually } from './support/gateway.ts'
import { greets, startLoad } from './support/load.ts'
import { killAndAwaitNext } from './support/processes.ts'
import { useSluice } from './support/scene.ts'

const COUNT = 1500
const CONNECTIONS = 8
const KILLS = [200, 600, 1000]

const sluice = useSluice(
  () => `
trustedNetworks: []
domains: [{ name: own.test, route: local }]
accounts: [{ address: anna@own.test }]
routes: [{ name: local, type: local, connections: ${CONNECTIONS} }]
schedules: { patient: { delays: [10m, 10m, 10m, 10m, 10m, 10m] } }
schedule: patient
`,
)
const folder = (): string => join(sluice.folder, 'mail', 'own.test', 'anna')

describe('the mailbox is killed in mid-flow', () => {
  it('loses nothing; twice lies there at most what was being written', async () => {
    const load = startLoad({ port: sluice.smtpPort, count: COUNT, to: (n) => `anna+m${n}@own.test` })
    const arrived = async (): Promise<number> => (await readdir(join(folder(), 'new')).catch(() => [])).length
    for (const [n, at] of KILLS.entries()) {
      await eventually(`${at} mails`, async () => (await arrived()) >= at, 60_000)
      await killAndAwaitNext(sluice, 'mailbox')
      await eventually('the mailbox', () => greets(sluice.lmtpPort))
      // What was refused waits for its next attempt, and the mailbox is left alone for a while: both are over.
      await sluice.setClock((n + 1) * 11 * 60_000)
    }
    await load.done
    await sluice.setClock((KILLS.length + 1) * 11 * 60_000)
    const { lost, doubles, unanswered } = await untilDelivered(sluice, load.messages, () => idsInMaildir(folder()), 90_000)
    expect({ lost, unanswered }).toEqual({ lost: [], unanswered: 0 })
    expect(doubles).toBeLessThanOrEqual(KILLS.length * CONNECTIONS)
    expect(await readdir(join(folder(), 'new'))).toHaveLength(COUNT + doubles)
  })
})
