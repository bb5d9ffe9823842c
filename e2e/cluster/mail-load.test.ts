/** The steady load against a far end: its pace is its own, whatever the server does, and its ledger is exact. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type FarEnd, type FarEndOptions, startFarEnd } from '@sluice/testkit'
import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '../support/gateway.ts'
import { type MailLoad, startMailLoad } from './mail-load.ts'

let far: FarEnd
let load: MailLoad

const start = async (options: FarEndOptions, rate: number): Promise<void> => {
  far = await startFarEnd(options)
  load = startMailLoad({ host: '127.0.0.1', port: far.port, rate, to: (n) => `m${n}@far.test` })
}
afterEach(async () => {
  await load.stop()
  await far.stop()
})

const recipients = (): string[] => far.messages.flatMap((message) => message.recipients.map(({ address }) => address))

describe('a steady load', () => {
  it('goes at its pace against a server that takes two seconds for a message', async () => {
    await start({ delayMs: 500 }, 50)
    await eventually('the first 250', () => load.accepted.length > 0)
    const before = load.accepted.length
    await sleep(4000)
    expect(load.accepted.length - before).toBeGreaterThan(150)
    await load.stop()
    expect(new Set(recipients())).toEqual(new Set(load.accepted))
    expect(load.refusals).toEqual([])
    expect(load.tookMs).toHaveLength(load.accepted.length)
  })

  it('sends again what was refused until it is taken, and ends when all has been said', async () => {
    await start({ replies: { mail: '451 4.3.0 later' } }, 100)
    await eventually('refusals', () => load.refusals.length > 20)
    expect(load.accepted).toEqual([])
    far.set({ replies: {} })
    await load.stop()
    expect([...load.accepted].sort()).toEqual(recipients().sort())
    const begun = load.accepted.map((_, n) => `m${n}@far.test`)
    expect(new Set(load.accepted)).toEqual(new Set(begun))
    expect(load.refusals.every(({ stage, reply }) => stage === 'reply' && reply === '451 4.3.0 later')).toBe(true)
  })
})
