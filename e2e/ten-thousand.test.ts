/** Ten thousand messages from Postfix's smtp-source through the gateway, each exactly once at the far end. */
import { type FarEnd, startFarEnd } from '@sluice/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { idsAt } from './support/accounts.ts'
import { eventually, runProgram, type Sluice, startSluice } from './support/gateway.ts'

const COUNT = 10_000
const SIZE_BYTES = 2048
const CONNECTIONS = 20

let far: FarEnd
let sluice: Sluice
beforeAll(async () => {
  far = await startFarEnd()
  sluice = await startSluice({
    config: `
hostname: mx.sluice.test
trustedNetworks: [127.0.0.1/32]
history: { max: ${COUNT} }
routes: [{ name: far, match: ["*"], type: smtp, hosts: ["127.0.0.1:${far.port}"], connections: ${CONNECTIONS} }]
`,
  })
})
afterAll(async () => {
  await sluice?.stop()
  await far?.stop()
})

describe('ten thousand messages', () => {
  it('arrive once each, under the IDs that their clients were told', async () => {
    const words = ['-s', `${CONNECTIONS}`, '-m', `${COUNT}`, '-l', `${SIZE_BYTES}`, '-d', '-N', '-f', 'source@client.test']
    const env = { PATH: `${process.env.PATH}:/usr/sbin` }
    const source = runProgram('smtp-source', [...words, '-t', 'sink@far.test', `inet:${sluice.server}`], {
      env,
      timeoutMs: 120_000,
    })
    expect(await source).toMatchObject({ code: 0, stderr: '' })
    await far.received(COUNT, 100_000)
    await eventually('an empty queue', async () => (await sluice.cli('queue')).stdout === 'The queue is empty.\n', 30_000)
    const ids = idsAt(far)
    const told = new Set(sluice.events('reception').map(({ id }) => id))
    expect(told.size).toBe(COUNT)
    expect(ids).toHaveLength(COUNT)
    expect(new Set(ids)).toEqual(told)
    expect(Math.max(...far.messages.map(({ connection }) => connection))).toBeGreaterThan(0)
    expect(far.messages.every(({ content }) => content.length > SIZE_BYTES)).toBe(true)
  })
})
