/** kill −9 of the delivery-agent in the midst of what the postmaster marked: nothing is lost, nothing is done twice. */
import { expect, it } from 'vitest'
import { submit } from './support/client.ts'
import { eventually } from './support/gateway.ts'
import { routesTo, useFarEnd, useSluice, useSpool } from './support/scene.ts'

const EACH = 150

const one = useFarEnd()
const two = useFarEnd()
const sluice = useSluice(() => routesTo({ one, two }))
const spool = useSpool(sluice)

it('bounces and reroutes each message once, with one notice each', async () => {
  await sluice.cli('hold', 'one', 'two', 'two/notices')
  const bounced: string[] = []
  const moved: string[] = []
  for (let i = 0; i < EACH; i++) {
    bounced.push(await submit(sluice.smtpPort, { from: `b${i}@two.test`, to: [`ok+${i}@one.test`] }))
    moved.push(await submit(sluice.smtpPort, { from: 'anna@own.test', to: [`ok+${i}@one.test`] }))
  }
  // Notices and rerouted mail stay in the queue of `two`, which is held: they are counted there, not on their way.
  const verbs = Promise.all([
    sluice.cli('bounce', '--sender', 'two.test', '--yes'),
    sluice.cli('reroute', '--sender', 'anna@own.test', '--to', 'two'),
  ])
  const done = (): number => sluice.events('bounce').length + sluice.events('reroute').length
  for (const share of [0.1, 0.3, 0.6]) {
    await eventually('some to be done', () => done() >= share * EACH, 60_000, 1)
    const pid = sluice.pidOf('delivery-agent')
    sluice.kill('delivery-agent')
    await eventually('another agent', () => sluice.pidOf('delivery-agent') !== pid, 60_000)
  }
  for (const { code, stderr } of await verbs) expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const inOne = async (): Promise<number> => {
    const state = (await spool.queue()).find(({ destination }) => destination === 'one')
    return state === undefined ? 0 : state.waiting + state.active + state.delayed + state.parked
  }
  await eventually('all to be done', async () => (await inOne()) === 0, 90_000)
  const waiting = (await spool.queue()).filter(({ destination }) => destination.startsWith('two'))
  expect(waiting.reduce((sum, each) => sum + each.waiting, 0)).toBe(2 * EACH)
  await sluice.cli('release', 'one', 'two', 'two/notices')
  await spool.idle(90_000)
  const notices = two.messages.filter(({ from }) => from === '')
  expect(new Set(notices.map(({ recipients }) => recipients[0]?.address)).size).toBe(EACH)
  expect(notices).toHaveLength(EACH)
  expect(two.messages).toHaveLength(2 * EACH)
  expect(one.messages).toEqual([])
  for (const id of bounced) expect((await spool.trace(id)).history).toMatchObject([{ by: { verb: 'bounce' }, notice: 'failed' }])
  for (const id of moved) {
    const kinds = (await spool.trace(id)).history.flatMap(({ recipients }) => recipients.map(({ kind }) => kind))
    expect(kinds.sort()).toEqual(['delivered', 'rerouted'])
  }
}, 240_000)
