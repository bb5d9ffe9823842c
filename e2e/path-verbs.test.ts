/** What the postmaster marks, and agents do: with real spoolers, agents and far ends in one process. */
import type { Mark, MarkVerb } from '@sluice/contracts'
import { describe, expect, it } from 'vitest'
import { readNotice, told } from './support/notice.ts'
import { HOUR, type MailPath, withPath } from './support/path.ts'

const LARGE = Buffer.from(`Subject: large\r\n\r\n${'ten bytes.\r\n'.repeat(58_000)}`)
const markOf = (verb: MarkVerb, over: Partial<Mark> = {}): Mark => ({
  verb,
  who: 'anna@desk',
  why: 'it was sent by mistake',
  at: Date.now(),
  op: `op-${verb}`,
  ...over,
})
const stateOf = async (path: MailPath, id: string) => (await path.trace(id))?.tasks.map(({ state }) => state).join()
const waitFor = (path: MailPath, id: string, state: string) =>
  path.until(async () => (await stateOf(path, id)) === state, `${id} to be ${state || 'gone'}`)

describe.concurrent('marked mail', () => {
  it('bounces with a notice that says who gave it up, and why; the last conversation is in it', async () => {
    await withPath({}, async (path) => {
      const id = await path.send({ to: ['tempfail@far.test'] })
      await waitFor(path, id, 'delayed')
      const corrupt = await path.send({ to: ['tempfail+c@far.test'] })
      await waitFor(path, corrupt, 'delayed')
      await path.redis.hset(`sluice{00}:far:${corrupt}`, 'data', '{')
      expect(await path.verbs.mark('far', [id, corrupt, '0000000000ABCDEFGH'], markOf('bounce'))).toEqual({
        done: 2,
        already: 0,
        gone: 1,
      })
      await path.untilEvent('bounce', id)
      await path.until(() => path.far.messages.length === 1, 'the notice')
      const notice = readNotice(String(path.far.messages[0]?.content))
      expect(told(notice)).toEqual(['tempfail@far.test failed 5.0.0'])
      expect(notice.text.replace(/\s+/g, ' ')).toContain(
        'The postmaster gave the message up: it was sent by mistake. The last attempt ended so: ',
      )
      expect(notice.text).toContain('RCPT TO:<tempfail@far.test>')
      expect((await path.trace(id))?.history).toMatchObject([{ by: { verb: 'bounce', who: 'anna@desk' }, notice: 'failed' }])
      // What nobody understands cannot be bounced; it can be deleted.
      await waitFor(path, corrupt, 'parked')
      await path.verbs.mark('far', [corrupt], markOf('delete'))
      await path.untilEvent('delete', corrupt)
      await path.untilEmpty()
      expect((await path.trace(corrupt))?.history).toMatchObject([{ recipients: [{ kind: 'deleted' }] }])
    })
  })

  it('is rerouted across lanes with its content, attempts and clock; stored content is kept until it is delivered there', async () => {
    await withPath({ lanes: 4 }, async (path) => {
      const small = await path.send({ to: ['tempfail-2@far.test'] })
      const large = await path.send({ to: ['tempfail-2@far.test'], content: LARGE })
      for (const id of [small, large]) await waitFor(path, id, 'delayed')
      await path.verbs.mark('far', [small, large], markOf('reroute', { to: 'two' }))
      for (const id of [small, large]) {
        await path.untilEvent('reroute', id)
        await path.until(() => path.events('deferral', id).length === 2, 'the attempt there')
        expect(path.events('deferral', id)[1]?.fields).toMatchObject({ destination: 'two', attempt: 2 })
      }
      await path.until(async () => (await stateOf(path, large)) === 'delayed', 'it to wait there')
      const [task] = (await path.trace(large))?.tasks ?? []
      expect(task?.deeds).toMatchObject([{ verb: 'reroute', to: 'two' }])
      expect(task?.task?.attempts.map(({ n }) => n)).toEqual([1, 2])
      // classic: the third attempt is due 4 hours after the first one, whichever way the mail went.
      expect(Math.abs((task?.nextAttemptAt ?? 0) - (task?.task?.attempts[0]?.at ?? 0) - 4 * HOUR)).toBeLessThan(60_000)
      await path.advance(4 * HOUR + 1000)
      await path.until(() => path.two.messages.length === 2, 'both there', 20_000)
      expect(path.two.messages.some(({ content }) => content.includes('Subject: large') && content.length > 600_000)).toBe(true)
      await path.untilEmpty()
      expect(path.far.messages).toHaveLength(0)
    })
  })

  it('two tasks of a message come together on their way to one destination', async () => {
    await withPath({}, async (path) => {
      await path.verbs.hold('far')
      const id = await path.send({ to: ['ok+a@dead.test', 'ok+b@far.test'] })
      await path.until(async () => (await stateOf(path, id))?.split(',').sort().join() === 'delayed,waiting', 'both to wait')
      await path.verbs.hold('two')
      for (const name of ['dead', 'far']) await path.verbs.mark(name, [id], markOf('reroute', { to: 'two' }))
      await path.untilEvent('reroute', id, 2)
      for (const name of ['two', 'far']) await path.verbs.release(name)
      await path.until(() => path.two.messages.length === 1, 'the message')
      expect(path.two.messages[0]?.recipients.map(({ address }) => address).sort()).toEqual(['ok+a@dead.test', 'ok+b@far.test'])
      await path.untilEmpty()
    })
  })

  it('is held one by one in a queue that flows, and released', async () => {
    await withPath({ far: 'connections: 1, rate: 20/s' }, async (path) => {
      const ids: string[] = []
      for (let i = 0; i < 60; i++) ids.push(await path.send({ to: [`ok+${i}@far.test`] }))
      const chosen = ids.slice(-10)
      expect(await path.verbs.mark('far', chosen, markOf('hold'))).toMatchObject({ done: 10 })
      await path.untilEvent('delivery', undefined, 50)
      await path.until(async () => (await path.verbs.queue())[0]?.parked === 10, 'ten to be held')
      expect(path.far.messages).toHaveLength(50)
      await path.verbs.mark('far', chosen, markOf('release'))
      await path.untilEmpty()
      expect(path.far.messages).toHaveLength(60)
    })
  })
})
