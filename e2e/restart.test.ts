/** A gateway that is stopped in order and started again: a full spool stays whole, and what is in hand is finished or handed back. */
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { idsAt, untilDelivered } from './support/accounts.ts'
import { eventually, type Sluice, startSluice } from './support/gateway.ts'
import { startLoad } from './support/load.ts'
import { processesOf } from './support/processes.ts'
import { allTo, useFarEnd } from './support/scene.ts'

const COUNT = 2000

const far = useFarEnd({ delayMs: 2 })
let sluice: Sluice
beforeAll(async () => {
  sluice = await startSluice({ config: allTo(far) })
})
afterAll(async () => {
  await sluice?.stop()
  if (sluice !== undefined) await rm(sluice.folder, { recursive: true, force: true })
})

const restart = async (signal: NodeJS.Signals): Promise<void> => {
  expect(await sluice.pause(signal)).toBe(0)
  expect(await processesOf(sluice.folder)).toEqual([])
  sluice = await startSluice({ config: allTo(far), folder: sluice.folder })
}

describe('a gateway that is stopped and started again', () => {
  it('keeps a full spool, and delivers all of it once, also when it is stopped in the midst of that', async () => {
    expect((await sluice.cli('hold', 'far')).code).toBe(0)
    const load = startLoad({ port: sluice.smtpPort, count: COUNT, to: (n) => `m${n}@far.test` })
    await load.done
    expect(far.messages).toHaveLength(0)
    await restart('SIGINT')
    expect(far.messages).toHaveLength(0)
    const { destinations } = JSON.parse((await sluice.cli('queue', '--json')).stdout)
    expect(destinations).toMatchObject([{ destination: 'far', waiting: COUNT, held: true }])

    expect((await sluice.cli('release', 'far')).code).toBe(0)
    await eventually('a part of it', () => far.messages.length > 300, 60_000)
    await restart('SIGTERM')
    const before = far.messages.length
    expect(before).toBeLessThan(COUNT)
    const account = await untilDelivered(sluice, load.messages, () => idsAt(far))
    expect(account).toEqual({ lost: [], doubles: 0, unanswered: 0 })
    expect(far.messages).toHaveLength(COUNT)
  })
})
