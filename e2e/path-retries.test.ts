/** Attempts by the schedule, and what stays undelivered at its end. */
import { describe, expect, it } from 'vitest'
import { HOUR, startPath } from './support/path.ts'
import { useStarted } from './support/scene.ts'

const path = useStarted(() => startPath())

const hoursOf = (id: string, name: string): number[] => {
  const lines = path.events(name, id)
  return lines.map(({ fields }) => Math.round(Number(fields.ageMs) / HOUR))
}
const noticesAbout = (id: string) => path.got(path.far, id).filter(({ from }) => from === '')
const commandsWith = (text: string): number =>
  path.far.connections.flatMap(({ commands }) => commands).filter((command) => command.includes(text)).length

describe('retries', () => {
  it('R-classic: attempts at 0, 2, 4, 6, 8 and 10 hours, six in all, then the notice; a delay notice once, at 4 hours', async () => {
    const failing = await path.send({ to: [{ address: 'tempfail+classic@far.test', notify: ['FAILURE', 'DELAY'] }] })
    const quiet = await path.send({ to: ['tempfail+quiet@far.test'] })
    const late = await path.send({ to: ['tempfail-2+late@far.test'] })
    for (let attempt = 1; attempt <= 6; attempt++) {
      await path.untilEvent('attempt', failing, attempt)
      await path.untilEvent('attempt', quiet, attempt)
      await path.untilEvent('attempt', late, Math.min(attempt, 3))
      await path.advance(1.9 * HOUR)
      expect(path.events('attempt', failing)).toHaveLength(attempt)
      if (attempt === 6) break
      expect(noticesAbout(quiet)).toHaveLength(0)
      await path.advance(0.1 * HOUR)
    }
    // Its class has a queue of its own, which the spooler grants when it first sees it.
    await path.until(() => noticesAbout(quiet).length === 1, 'the notice')
    await path.untilEvent('expiry', failing)
    await path.untilEmpty()
    expect(hoursOf(failing, 'deferral')).toEqual([0, 2, 4, 6, 8])
    expect(hoursOf(failing, 'expiry')).toEqual([10])
    expect(commandsWith('RCPT TO:<tempfail+classic@far.test>')).toBe(6)
    expect(path.events('notice', failing).map(({ fields }) => fields.kind)).toEqual(['delayed', 'failed'])
    expect(path.events('notice', quiet).map(({ fields }) => fields.kind)).toEqual(['failed'])
    expect(path.got(path.far, late)).toHaveLength(1)
    expect(hoursOf(late, 'delivery')).toEqual([4])
    const trace = await path.trace(failing)
    expect(trace?.tasks).toEqual([])
    expect(trace?.history[0]?.attempts.map(({ n, stage }) => `${n} ${stage}`)).toEqual([1, 2, 3, 4, 5, 6].map((n) => `${n} rcpt`))
    expect(trace?.history[0]).toMatchObject({ notice: 'failed', recipients: [{ kind: 'bounced', status: '4.4.7' }] })
  })

  it('R-attempt-first: while the far end has not said a word, the attempt stands recorded', async () => {
    path.two.set({ silentAt: 'greeting' })
    const before = path.two.connections.length
    const id = await path.send({ to: ['ok@two.test'] })
    await path.until(() => path.two.connections.length > before, 'a connection')
    expect(await path.redis.hmget(`sluice{00}:two:${id}`, 'ats', 'pb')).toEqual(['1', expect.stringMatching(/^\d+ 1$/)])
    expect((await path.trace(id))?.tasks[0]).toMatchObject({ state: 'active' })
    path.two.dropAll()
    await path.untilEvent('deferral', id)
    path.two.set({ silentAt: undefined as never })
    expect((await path.trace(id))?.tasks[0]).toMatchObject({
      state: 'delayed',
      task: { attempts: [{ n: 1, stage: 'greeting' }] },
    })
    expect(await path.verbs.retry('two', id)).toBe(1)
    await path.untilEmpty()
    expect(path.got(path.two, id)).toHaveLength(1)
  })

  it('R-partial: only what was refused for now is tried again; what was refused for good is told at once', async () => {
    const to = ['ok+p@far.test', 'tempfail-1+p@far.test', 'reject+p@far.test', 'reject+q@far.test']
    const id = await path.send({ to })
    await path.untilEvent('notice', id)
    await path.until(async () => (await path.trace(id))?.tasks[0]?.state === 'delayed', 'the rest to wait')
    const trace = await path.trace(id)
    expect(trace?.tasks[0]?.task?.to).toEqual([{ address: 'tempfail-1+p@far.test' }])
    expect(trace?.tasks[0]?.transcript.join('\n')).toContain('450 4.2.1 not this time')
    expect(trace?.history[0]?.recipients.map(({ address, kind }) => `${kind} ${address}`)).toEqual([
      'delivered ok+p@far.test',
      'bounced reject+p@far.test',
      'bounced reject+q@far.test',
    ])
    await path.until(() => noticesAbout(id).length === 1, 'the notice to come')
    await path.advance(2 * HOUR)
    await path.untilEmpty()
    const mail = path.got(path.far, id).filter(({ from }) => from !== '')
    expect(mail.map(({ recipients }) => recipients.map(({ address }) => address))).toEqual([
      ['ok+p@far.test'],
      ['tempfail-1+p@far.test'],
    ])
    expect(noticesAbout(id)).toHaveLength(1)
    expect(
      noticesAbout(id)[0]
        ?.content.toString()
        .match(/^Final-Recipient:.*$/gm),
    ).toHaveLength(2)
    expect((await path.trace(id))?.history).toHaveLength(2)
  })
})

const stateOf = async (name: string) => (await path.verbs.queue()).find(({ destination }) => destination === name)
const isQuiet = (state: Awaited<ReturnType<typeof stateOf>>): boolean =>
  state === undefined || (state.waiting + state.sessions === 0 && (state.nextAttemptAt ?? Number.POSITIVE_INFINITY) > path.now())
const triedOf = (name: string): number => path.events('attempt').filter(({ fields }) => fields.destination === name).length

describe('a dead site', () => {
  it('is left alone with its tasks untouched, then probed once; what outlives its schedule untried is told of; others do not notice', async () => {
    const dead = await Promise.all(Array.from({ length: 8 }, (_, i) => path.send({ to: [`ok+${i}@dead.test`] })))
    await path.until(async () => (await path.verbs.queue()).some(({ backoff }) => backoff !== null), 'back-off')
    const other = await path.send({ to: ['ok@two.test'] })
    await path.untilEvent('delivery', other, 1, 2000)
    await path.until(async () => (await stateOf('dead'))?.sessions === 0, 'sessions to end')
    const tried = triedOf('dead')
    expect(await stateOf('dead')).toMatchObject({ waiting: 8 - tried, delayed: tried, active: 0, sessions: 0 })
    expect(tried).toBeLessThan(8)
    await path.advance(40_000)
    await path.until(() => triedOf('dead') > tried, 'a probe')
    await path.until(async () => (await stateOf('dead'))?.sessions === 0, 'the probe to end')
    expect(triedOf('dead')).toBe(tried + 1)
    await path.advance(11 * HOUR)
    const untried = dead.filter((id) => path.events('attempt', id).length === 0)
    expect(untried.length).toBeGreaterThan(1)
    for (const id of untried.slice(1)) await path.untilEvent('expiry', id)
    for (let i = 0; i < 9 && (await path.leftovers()).length > 0; i++) {
      await path.advance(2 * HOUR)
      await path.until(async () => isQuiet(await stateOf('dead')), 'what is due to be tried or told of')
    }
    for (const id of dead) await path.untilEvent('expiry', id)
    await path.untilEmpty()
    for (const id of dead) expect(noticesAbout(id)).toHaveLength(1)
    const words = noticesAbout(untried.at(-1)!)[0]?.content.toString()
    expect(words).toMatch(/refused|ECONNREFUSED/)
  })
  it('revives: the first message that it takes ends the back-off, and all that waited goes', async () => {
    path.two.set({ replies: { greeting: '554 5.3.2 not today' } })
    path.two.dropAll()
    const sent = await Promise.all(Array.from({ length: 8 }, (_, i) => path.send({ to: [`ok+r${i}@two.test`] })))
    await path.until(async () => ((await stateOf('two'))?.backoff ?? null) !== null, 'back-off')
    expect((await stateOf('two'))?.backoff?.reason).toContain('554')
    path.two.set({ replies: {} })
    await path.advance(40_000)
    await path.until(async () => (await stateOf('two'))?.waiting === 0, 'what waited to go')
    expect((await stateOf('two'))?.backoff ?? null).toBeNull()
    await path.advance(2 * HOUR)
    await path.untilEmpty()
    for (const id of sent) expect(path.got(path.two, id)).toHaveLength(1)
  })
})
