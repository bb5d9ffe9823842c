/** Ten thousand messages from Postfix's smtp-source through the gateway, each exactly once at the far end. */
import { describe, expect, it } from 'vitest'
import { idsAt } from './support/accounts.ts'
import { eventually, runProgram } from './support/gateway.ts'
import { allTo, useFarEnd, useSluice } from './support/scene.ts'

const COUNT = 10_000
const SIZE_BYTES = 2048
const CONNECTIONS = 20

const far = useFarEnd()
const sluice = useSluice(
  () => `
history: { max: ${COUNT} }
${allTo(far, `connections: ${CONNECTIONS}`)}
`,
)

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
