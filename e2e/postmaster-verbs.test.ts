/** The postmaster's verbs by the real command line, on a gateway of real processes, while mail flows. */
import { expect, it } from 'vitest'
import { submit } from './support/client.ts'
import { eventually } from './support/gateway.ts'
import { ANNA, routesTo, useFarEnd, useSluice, useSpool } from './support/scene.ts'

const one = useFarEnd()
const two = useFarEnd()
const sluice = useSluice(() => `${ANNA}\n${routesTo({ one, two })}\n  - { name: local, type: local }`)
const spool = useSpool(sluice)

const send = (from: string, ...to: string[]): Promise<string> => submit(sluice.smtpPort, { from, to })
const json = async (...words: string[]) => JSON.parse((await sluice.cli(...words, '--json')).stdout)
const waits = (count: number) =>
  eventually(`${count} to wait`, async () => (await spool.queue()).reduce((sum, { delayed }) => sum + delayed, 0) === count)

it('holds by sender what waits and what comes upon it, in a queue that flows; dry runs count and do nothing', async () => {
  await sluice.cli('hold', 'one')
  const bad = [await send('spam@bad.test', 'ok+1@one.test'), await send('spam@bad.test', 'ok+2@one.test')]
  const good = await send('anna@own.test', 'ok+3@one.test')
  expect(await json('hold', '--sender', 'bad.test', '--dry-run')).toMatchObject({ count: 2, destinations: { one: 2 } })
  expect((await sluice.cli('hold', '--sender', '*@bad.test', '--dry-run')).stdout).toMatch(
    /^2 messages in 1 destination:[\s\S]*one +2[\s\S]*<spam@bad\.test> +ok\+1@one\.test/,
  )
  expect(await json('hold', '--sender', '*@bad.test', '--older', '3h')).toEqual({ held: 0, already: 0, gone: 0 })
  expect(await json('hold', '--sender', '*@bad.test', '--why', 'looks like spam', '--as', 'anna')).toMatchObject({ held: 2 })
  await sluice.cli('release', 'one')
  await eventually('the good one', () => one.messages.length === 1)
  await eventually('two to be held', async () => (await spool.queue())[0]?.parked === 2)
  expect((await spool.trace(bad[0] ?? '')).tasks).toMatchObject([
    { state: 'parked', held: { who: 'anna', why: 'looks like spam' } },
  ])
  expect((await sluice.cli('trace', bad[0] ?? '')).stdout).toContain('held by anna: looks like spam')
  expect(
    sluice
      .events('hold')
      .map(({ id, who }) => [id, who])
      .sort(),
  ).toEqual(bad.map((id) => [id, 'anna']).sort())
  // Neither retry nor a release of the destination lets them go.
  expect(await json('retry', 'one')).toEqual({ due: 0 })
  await sluice.cli('release', 'one')
  expect(await json('hold', '--sender', 'bad.test')).toMatchObject({ held: 0 })
  expect(await json('release', bad[0] ?? '')).toMatchObject({ released: 1 })
  expect(await json('release', '--state', 'held', '--recipient', 'ok+2@one.test')).toMatchObject({ released: 1 })
  await spool.idle()
  expect(one.messages).toHaveLength(3)
  expect((await spool.trace(good)).history).toMatchObject([{ recipients: [{ kind: 'delivered' }] }])
})

it('bounces with a notice that says why, and deletes without one; more than one only when told twice', async () => {
  const before = one.messages.length
  const first = await send('anna@own.test', 'tempfail+1@one.test')
  const others = [await send('ben@far.test', 'tempfail+2@one.test'), await send('ben@far.test', 'tempfail+3@one.test')]
  await waits(3)
  const refused = await sluice.cli('delete', '--sender', 'ben@far.test')
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('delete 2 messages? Say so with --yes') })
  expect(await json('bounce', first, '--why', 'sent to the wrong list', '--as', 'anna')).toMatchObject({ bounced: 1 })
  expect(await json('delete', '--sender', 'ben@far.test', '--yes', '--as', 'anna')).toMatchObject({ deleted: 2 })
  await spool.idle()
  expect(await json('delete', '--sender', 'ben@far.test', '--yes')).toEqual({ deleted: 0, already: 0, gone: 0 })
  const [mail] = await eventually('the notice', async () => {
    const found = (await sluice.cli('trace', first, '--json')).stdout
    return JSON.parse(found).history.length > 0 ? [JSON.parse(found).history[0]] : null
  })
  expect(mail).toMatchObject({ notice: 'failed', by: { who: 'anna', verb: 'bounce' }, recipients: [{ kind: 'bounced' }] })
  for (const id of others)
    expect((await spool.trace(id)).history).toMatchObject([{ by: { verb: 'delete' }, recipients: [{ kind: 'deleted' }] }])
  expect((await sluice.cli('trace', others[0] ?? '')).stdout).toContain('deleted by the postmaster')
  expect(one.messages).toHaveLength(before)
  expect(sluice.events('notice').filter(({ id }) => id === first)).toHaveLength(1)
})

it('reroutes what waits to another far end, whole', async () => {
  const id = await send('anna@own.test', 'tempfail@one.test')
  await waits(1)
  expect(await sluice.cli('reroute', id, '--to', 'nowhere')).toMatchObject({
    code: 3,
    stderr: 'there is no destination nowhere\n',
  })
  await sluice.cli('suspend', 'one')
  expect(await json('reroute', '--destination', 'one', '--to', 'two', '--as', 'anna')).toMatchObject({ rerouted: 1 })
  await eventually('its attempt there', () =>
    sluice.events('deferral').some((line) => line.id === id && line.destination === 'two'),
  )
  await sluice.cli('resume', 'one')
  await eventually('it to wait there', async () => (await spool.trace(id)).tasks[0]?.nextAttemptAt)
  expect((await spool.trace(id)).tasks).toMatchObject([{ destination: 'two', deeds: [{ verb: 'reroute', to: 'two' }] }])
  expect((await spool.trace(id)).history).toMatchObject([
    { destination: 'one', recipients: [{ kind: 'rerouted', reason: 'goes to two instead' }] },
  ])
  await sluice.cli('delete', id)
  await spool.idle()
})

it('suspends a site for all its destinations, and resumes it', async () => {
  const before = one.messages.length
  expect(await sluice.cli('suspend', 'nobody')).toMatchObject({ code: 3 })
  expect(await json('suspend', 'one', '--for', '2h', '--why', 'they asked', '--as', 'anna')).toEqual({ suspended: ['one'] })
  const id = await send('anna@own.test', 'ok+s@one.test')
  const other = await send('anna@own.test', 'ok+s@two.test')
  await eventually('the other', () => two.messages.some(({ content }) => content.includes(other) || content.length > 0))
  expect(one.messages).toHaveLength(before)
  expect(await spool.queue()).toMatchObject([
    { destination: 'one', waiting: 1, paused: { reason: 'suspended by anna: they asked' } },
  ])
  expect((await spool.trace(id)).tasks).toMatchObject([{ state: 'waiting' }])
  expect(await sluice.cli('resume', 'one')).toMatchObject({ code: 0, stdout: 'one: resumed\n' })
  await spool.idle()
  expect(one.messages).toHaveLength(before + 1)
})

it('shows a message and its bytes, says why it waits, and counts by age', async () => {
  const id = await send('anna@own.test', 'tempfail+w@one.test')
  await waits(1)
  const shown = (await sluice.cli('show', id)).stdout
  expect(shown).toMatch(/from <anna@own\.test>[\s\S]*attempt 1, [\s\S]*450[\s\S]*the last conversation/)
  const header = (await sluice.cli('show', id, '--headers')).stdout
  const whole = (await sluice.cli('show', id, '--content')).stdout
  expect(header).toMatch(/^Received: [\s\S]*\r\n\r\n$/)
  expect(whole.length).toBeGreaterThan(header.length)
  expect(whole.startsWith(header)).toBe(true)
  expect((await sluice.cli('why', id)).stdout).toMatch(
    /^one \(tempfail\+w@one\.test\):\n {2}attempt 2 of 6 is planned for .* \(in 2 h\), because of the last one \(.*, rcpt\): .*450/,
  )
  expect((await sluice.cli('why', 'one')).stdout).toMatch(/0 due, 0 in hand, 1 later, 0 parked[\s\S]*site one: /)
  expect((await sluice.cli('queue', '--by', 'sender')).stdout).toMatch(/^SENDER +T +5 +10 [\s\S]*^<anna@own\.test> +1 +1 +0/m)
  expect(await json('queue', '--by', 'state', '--recipient', '*@one.test')).toMatchObject({ rows: [{ key: 'later', count: 1 }] })
  expect(await sluice.cli('queue', '--by', 'colour')).toMatchObject({ code: 2 })
  await sluice.cli('delete', id, '--why', 'enough')
  await spool.idle()
  expect((await sluice.cli('why', id)).stdout).toMatch(/deleted at .* by .*: enough/)
  expect(await sluice.cli('show', id, '--content')).toMatchObject({ code: 3 })
  expect(await sluice.cli('why', '0000000000ABCDEFGH')).toMatchObject({
    code: 3,
    stderr: 'nothing is known of 0000000000ABCDEFGH\n',
  })
})

it('keeps who did what, and why, in the audit', async () => {
  const { entries } = await json('audit')
  expect(entries).toContainEqual(
    expect.objectContaining({ verb: 'hold', who: 'anna', why: 'looks like spam', query: '--sender *@bad.test', count: 2 }),
  )
  expect(entries[1]).toMatchObject({ verb: 'resume', query: 'one', count: 1 })
  const table = (await sluice.cli('audit')).stdout
  expect(table).toMatch(/anna +delete +--sender ben@far\.test +2$/m)
  expect((await sluice.cli('audit', '--limit', '1')).stdout.trim().split('\n')).toHaveLength(2)
})
