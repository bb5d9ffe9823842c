/** Sessions deliver what waits for them, exactly once, and nothing of it stays behind. */
import { describe, expect, it } from 'vitest'
import { startPath } from './support/path.ts'
import { useStarted } from './support/scene.ts'

const path = useStarted(() => startPath({ farEnd: { slowMs: 2500 } }))

const ids = (count: number, send: (i: number) => Promise<string>): Promise<string[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => send(i)))

describe('sessions', () => {
  it('deliver each message of one destination exactly once, and leave nothing of them in Redis', async () => {
    const sent = await ids(300, (i) => path.send({ to: [`one+${i}@far.test`] }))
    await path.untilEmpty(20_000)
    for (const id of sent) expect(path.got(path.far, id)).toHaveLength(1)
  })

  it('R-250: a message with several destinations goes once to each, by intake, and leaves nothing', async () => {
    const sent = await ids(50, (i) => path.send({ to: [`a+${i}@far.test`, `b+${i}@two.test`, `c+${i}@far.test`] }))
    await path.untilEmpty()
    for (const id of sent) {
      expect(path.got(path.far, id)).toHaveLength(1)
      expect(path.got(path.far, id)[0]?.recipients).toHaveLength(2)
      expect(path.got(path.two, id)).toHaveLength(1)
    }
    for (const key of await path.redis.keys('*:once:*')) expect(await path.redis.pttl(key)).toBeLessThanOrEqual(60_000)
  })

  it('do not wait behind a slow far end: a second message goes through another session', async () => {
    const slow = await path.send({ to: ['slow@far.test'] })
    await path.untilEvent('attempt', slow)
    const startedAt = performance.now()
    const quick = await path.send({ to: ['quick@far.test'] })
    await path.untilEvent('delivery', quick)
    expect(performance.now() - startedAt).toBeLessThan(1500)
    expect(path.events('delivery', slow)).toHaveLength(0)
    await path.untilEvent('delivery', slow)
    await path.untilEmpty()
  })
})
