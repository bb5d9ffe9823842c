/** Contents that lost their tasks, their index or the record of who needs them, and tasks that lost their content. */
import { describe, expect, it } from 'vitest'
import { LANE, NO_SPOOLER, repaired, withQueue } from './support/broken-spool.ts'
import { HOUR, withPath } from './support/path.ts'

const LARGE = Buffer.from(`Subject: large\r\n\r\n${'ten bytes.\r\n'.repeat(58_000)}`)

describe.concurrent('contents', () => {
  it('R-short: an envelope without content is parked and told of; content without envelope goes after an hour', async () => {
    await withPath(NO_SPOOLER, async (path) => {
      const hollow = await path.send({ to: ['ok@far.test'] })
      await path.redis.del(`${LANE}:far:${hollow}:content`)
      const young = path.contents.stage('01YOUNGYOUNGYOUNGY', 0)
      await young.write(LARGE)
      await young.finish()
      const old = path.contents.stage('01ORPHAN0RPHAN0RPH', 0)
      await old.write(LARGE)
      await old.finish()
      await path.redis.zadd(`${LANE}:contents`, Date.now() - 2 * HOUR, '01ORPHAN0RPHAN0RPH')
      await path.addSpooler()
      await path.untilEvent('parked', hollow)
      await path.until(async () => (await path.redis.keys(`${LANE}:content:01ORPHAN*`)).length === 0, 'the orphan to be swept')
      expect(await path.redis.keys(`${LANE}:content:01YOUNG*`)).not.toEqual([])
      expect((await path.trace(hollow))?.tasks).toMatchObject([{ state: 'parked', problem: 'the content is missing' }])
    })
  })

  it('of several destinations stay while anybody needs them, though the record of who does, or their index, is lost', async () => {
    await withPath({}, async (path) => {
      const id = await path.send({ to: ['ok@far.test', 'tempfail-1@two.test'], content: LARGE })
      await path.until(async () => (await path.redis.scard(`${LANE}:needs:${id}`)) === 2, 'both to be known')
      await path.redis.del(`${LANE}:needs:${id}`)
      await path.untilEvent('deferral', id)
      await path.untilEvent('delivery', id)
      await path.until(async () => (await path.verbs.queue()).every(({ sessions }) => sessions === 0), 'sessions to end')
      await path.spoolers[0]?.close()
      await path.redis.zadd(`${LANE}:contents`, 'XX', Date.now() - 2 * HOUR, id)
      await path.addSpooler()
      await path.until(
        async () => (await path.redis.smembers(`${LANE}:needs:${id}`)).join() === 'two',
        'it to be known who needs it',
      )
      await path.advance(2 * HOUR)
      await path.untilEvent('delivery', id, 2)
      expect(path.two.messages.filter(({ content }) => content.equals(LARGE))).toHaveLength(1)
      await path.untilEmpty()

      const lost = await path.send({ to: ['tempfail@far.test'], content: LARGE })
      await path.untilEvent('deferral', lost)
      await path.spoolers[1]?.close()
      await path.redis.del(`${LANE}:contents`)
      await path.addSpooler()
      await path.until(async () => (await path.redis.zscore(`${LANE}:contents`, lost)) !== null, 'the index to name it again')
    })
  })

  it('beside tasks that a dashboard removed, cleaned or obliterated go after an hour, not before; new mail flows', async () => {
    await withPath(NO_SPOOLER, async (path) => {
      const ids: string[] = []
      for (let i = 0; i < 4; i++) ids.push(await path.send({ to: ['ok@far.test'] }))
      await withQueue(path, 'far', async (queue) => {
        await (await queue.getJob(ids[0] ?? ''))?.remove()
        await queue.clean(0, 1, 'wait')
        await queue.obliterate({ force: true })
      })
      expect(await path.redis.keys(`${LANE}:far:*:content`)).toHaveLength(4)
      for (const id of ids.slice(0, 3)) {
        const key = `${LANE}:far:${id}:content`
        const dump = await path.redis.dumpBuffer(key)
        if (dump !== null) await path.redis.restore(key, 0, dump, 'REPLACE', 'IDLETIME', 3601)
      }
      const fresh = await path.send({ to: ['ok@far.test'] })
      await path.addSpooler()
      await path.untilEvent('delivery', fresh)
      await path.until(async () => (await path.redis.keys(`${LANE}:far:*:content`)).length === 1, 'the old ones to be removed')
      expect(repaired(path)).toMatchObject({ removed: 3 })
      expect(await path.redis.exists(`${LANE}:far:${ids[3]}:content`)).toBe(1)
    })
  })
})
