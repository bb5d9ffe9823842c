/**
 * The spool behind Sentinels, with one replica, so that whoever is promoted is the one that `wait` waited for: a master that is killed, or hangs with its connections open, is replaced; mail goes on by itself, and
 * with `wait` nothing that got a 250 is lost.
 */
import { startRedisSentinels } from '@sluice/testkit'
import { describe, expect, it } from 'vitest'
import { manyRoutes, startSpread, untilArrived } from './support/far-redis.ts'
import { eventually } from './support/gateway.ts'
import { useFarEnd, useSluice, useStarted } from './support/scene.ts'

const far = useFarEnd()
const redis = useStarted(() => startRedisSentinels({ replicas: 1 }), 60_000)
const sluice = useSluice(() =>
  [`redis: { sentinels: ${JSON.stringify(redis.addresses)}, wait: { replicas: 1 } }`, manyRoutes(far)].join('\n'),
)

/**
 * Nothing is due, in hand or on its way into the queues. Parked tasks may be left of a message that got no 250: a master that hung
 * and goes on may take what lay in its sockets, and throws it away when it becomes a replica.
 */
const untilNothingIsDue = (): Promise<true> =>
  eventually(
    'nothing to do',
    async () => {
      type Queue = { destinations: { waiting: number; active: number }[]; intake: { waiting: number } }
      const { destinations, intake } = JSON.parse((await sluice.cli('queue', '--json')).stdout) as Queue
      return intake.waiting === 0 && destinations.every(({ waiting, active }) => waiting + active === 0)
    },
    60_000,
    500,
  )

describe('behind Sentinels', () => {
  it.each(['killed', 'frozen'])('R-451: a master that is %s is replaced; nothing that got a 250 is lost', async (how) => {
    far.messages.length = 0
    await redis.settled()
    const load = startSpread(sluice.smtpPort, 600)
    await load.reached(200)
    const master = await redis.master()
    if (how === 'killed') await master.kill()
    else master.freeze()
    await redis.failedOver(master)
    // The old one comes back as a replica; until then no 250 is given, as there is nobody to wait for.
    if (how === 'killed') await master.start()
    else master.thaw()
    await load.done
    const { lost, arrivals, recipients } = await untilArrived(load, far)
    expect(lost).toEqual([])
    expect(load.refusals.filter((reply) => !/^(421|451) 4\.3\./.test(reply))).toEqual([])
    expect(arrivals - recipients).toBeLessThan(100)
    await untilNothingIsDue()
    await redis.settled()
  })

  it('the verbs find the master through the Sentinels', async () => {
    expect(await sluice.cli('hold', 'r1')).toMatchObject({ code: 0 })
    const id = await sluice.send('held@d1.test')
    expect((await sluice.cli('queue')).stdout).toMatch(/r1 .*held/)
    expect((await sluice.cli('trace', id)).stdout).toContain('r1')
    expect(await sluice.cli('release', 'r1')).toMatchObject({ code: 0 })
    await untilNothingIsDue()
  })
})
