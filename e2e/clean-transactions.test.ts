/** Nothing of one message gets into another, and half a message never arrives as a whole one. */
import { expect, it } from 'vitest'
import { submit } from './support/client.ts'
import { eventually } from './support/gateway.ts'
import { allTo, useFarEnd, useSluice, useSpool } from './support/scene.ts'

const far = useFarEnd()
const sluice = useSluice(
  () => `
content: { threshold: 4KiB }
${allTo(far, 'connections: 1')}
`,
)
const spool = useSpool(sluice)

const send = (to: string[], body: string): Promise<string> => submit(sluice.smtpPort, { from: '', to, body })

it('R-clean: after a refusal at any stage the next message over the same connection is whole, and alone', async () => {
  await sluice.cli('hold', 'far')
  const refused = ['reject', 'tempfail', 'refuse-data', 'tempfail-at-data', 'reject-data', 'tempfail-data']
  const ids: string[] = []
  for (const [n, name] of refused.entries()) {
    await send([`${name}@far.test`], `secret of ${name}`)
    ids.push(await send([`ok+${n}@far.test`], `body ${n}`))
  }
  await sluice.cli('release', 'far')
  await far.received(refused.length)
  await eventually('every outcome', () => sluice.events('attempt').length === 2 * refused.length)
  await eventually('nothing in hand', async () => (await spool.queue()).every(({ active, waiting }) => active + waiting === 0))
  expect(far.messages).toHaveLength(refused.length)
  for (const [n, { recipients, content }] of far.messages.entries()) {
    expect(recipients.map(({ address }) => address)).toEqual([`ok+${n}@far.test`])
    expect(content.toString()).toContain(`id ${ids[n]}`)
    expect(content.toString().split('\r\n\r\n').slice(1)).toEqual([`body ${n}\r\n`])
  }
  const commands = far.connections.flatMap(({ commands }) => commands)
  expect(commands.filter((line) => line === 'RSET').length).toBeGreaterThan(0)
  expect(far.connections.length).toBeLessThan(2 * refused.length)
})

it('R-short: content of which a piece is missing is never sent to its end, and is parked for the postmaster', async () => {
  const before = far.messages.length
  await sluice.cli('hold', 'far')
  const id = await send(['ok+short@far.test'], `${'x'.repeat(70)}\r\n`.repeat(15_000))
  const pieces = (await spool.redis.keys(`sluice{00}:content:${id}:*`)).length
  expect(pieces).toBeGreaterThan(2)
  expect(await spool.redis.del(`sluice{00}:content:${id}:${pieces - 1}`)).toBe(1)
  await sluice.cli('release', 'far')
  const parked = await eventually('it to be parked', () => sluice.events('parked').find((line) => line.id === id))
  expect(parked.reason).toContain(id)
  const broken = await eventually('the broken connection', () => far.connections.find(({ unfinished }) => unfinished !== null))
  expect(broken.commands.at(-1)).toBe('DATA')
  expect((await sluice.cli('queue')).stdout).toMatch(/^far +0 +0 +\d+ +1 /m)
  expect((await spool.trace(id)).tasks).toMatchObject([{ state: 'parked', problem: parked.reason }])
  // The next message has a connection of its own, and nothing of this one.
  await send(['ok+next@far.test'], 'whole')
  await far.received(before + 1)
  expect(far.messages).toHaveLength(before + 1)
  expect(far.messages.at(-1)?.content.toString()).not.toContain('xxx')
})
