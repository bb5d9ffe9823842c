/** Redis that is not there yet, or stands still: clients are put off, nobody gives up, and all goes on by itself. */
import { freePort, startRedis } from '@sluice/testkit'
import { describe, expect, it } from 'vitest'
import { idsAt, untilDelivered } from './support/accounts.ts'
import { eventually, startSluice } from './support/gateway.ts'
import { greets, startLoad } from './support/load.ts'
import { allTo, useFarEnd } from './support/scene.ts'

const far = useFarEnd()

describe('redis', () => {
  it('is away at the start: services wait, clients get 421, and it comes', async () => {
    const redis = await startRedis()
    await redis.kill()
    let isAway = true
    const come = async (): Promise<void> => {
      if (isAway) await redis.start()
      isAway = false
    }
    const [smtp, http] = [await freePort(), await freePort()]
    const starting = startSluice({
      config: `${allTo(far)}
redis: { url: "${redis.url}" }
listeners: [{ name: smtp, listen: "127.0.0.1:${smtp}" }]
http: { ports: { ingress: ${http}, spooler: 0, delivery-agent: 0, mailbox: 0 } }
`,
    })
    try {
      await eventually('the listener', () => greets(smtp, '421 4.3.0'), 30_000)
      const readyz = await fetch(`http://127.0.0.1:${http}/readyz`)
      expect(readyz.status).toBe(503)
      expect(await readyz.text()).toMatch(/^away: .*(redis|ECONNREFUSED|Stream)/)
      expect((await fetch(`http://127.0.0.1:${http}/healthz`)).status).toBe(200)
      await come()
      const sluice = await starting
      const before = far.messages.length
      await startLoad({ port: smtp, count: 1, to: () => 'ok@far.test' }).done
      await far.received(before + 1)
      expect(sluice.log().filter(({ msg }) => msg === 'ended; starting it again')).toEqual([])
    } finally {
      await come()
      await (await starting).stop()
      await redis.stop()
    }
  })

  it.each([
    ['nothing in hand', null, 30_000],
    ['a conversation before its content in hand, once its lock has lapsed', 'never-answer-rcpt@far.test', 60_000],
  ])('is gone for good: an agent with %s ends, whatever its grace time', async (_what, to, withinMs) => {
    const redis = await startRedis()
    const sluice = await startSluice({ config: `${allTo(far)}\nredis: { url: "${redis.url}" }\nshutdownGrace: 5m\n` })
    try {
      if (to !== null) {
        await startLoad({ port: sluice.smtpPort, count: 1, to: () => to }).done
        await eventually('the attempt', () => far.connections.some(({ commands }) => commands.some((line) => line.includes(to))))
      }
      const before = sluice.pidOf('delivery-agent')
      await redis.kill()
      sluice.kill('delivery-agent', 'SIGTERM')
      await eventually('another agent', () => sluice.pidOf('delivery-agent') !== before, withinMs)
    } finally {
      await redis.start()
      far.dropAll()
      await sluice.stop()
      await redis.stop()
    }
  })

  it('R-451: stands still in mid-flow for longer than anybody waits: nothing is lost, nothing delivered twice', async () => {
    const sluice = await startSluice({ config: allTo(far) })
    try {
      const before = far.messages.length
      const load = startLoad({ port: sluice.smtpPort, count: 1500, to: (n) => `m${n}@far.test` })
      await load.reached(500)
      sluice.kill('redis', 'SIGSTOP')
      await eventually('refusals', () => load.refusals.some((reply) => reply.startsWith('451 4.3.0')), 60_000)
      await eventually('ingress not ready', async () => (await sluice.readyz('ingress')) === 503, 60_000)
      expect(load.taken()).toBeLessThan(1500)
      sluice.kill('redis', 'SIGCONT')
      await load.done
      const { lost, doubles, unanswered } = await untilDelivered(sluice, load.messages, () => idsAt(far).slice(before), 90_000)
      expect({ lost, doubles }).toEqual({ lost: [], doubles: 0 })
      expect(load.refusals.filter((reply) => !/^4(21|51) 4\.3\./.test(reply))).toEqual([])
      expect(unanswered).toBeLessThanOrEqual(sluice.events('duplicate-suspected').length)
      expect(await sluice.readyz('ingress')).toBe(200)
    } finally {
      await sluice.stop()
    }
  })
})
