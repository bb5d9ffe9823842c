/** A Redis that could forget what it acknowledged gets no mail, unless the config says so. */
import { freePort, startRedis } from '@sluice/testkit'
import { describe, expect, it } from 'vitest'
import { eventually, startSluice } from './support/gateway.ts'
import { greets } from './support/load.ts'
import { allTo, useFarEnd, useStarted } from './support/scene.ts'

const far = useFarEnd()
const redis = useStarted(() => startRedis(['--appendonly', 'no']))

const configWith = (more: string): string => `
${allTo(far)}
${more}
`

describe('a Redis without appendonly', () => {
  it('gets mail when redis.requireDurable is off', async () => {
    const sluice = await startSluice({ config: configWith(`redis: { url: "${redis.url}", requireDurable: false }`) })
    try {
      await sluice.send('ok@far.test')
      await far.received(1)
      expect(await sluice.readyz('ingress')).toBe(200)
    } finally {
      await sluice.stop()
    }
  })

  it('gets none else: clients get 421, readyz says why, and it goes on once Redis is durable', async () => {
    const [smtp, http] = [await freePort(), await freePort()]
    const starting = startSluice({
      config: configWith(`
redis: { url: "${redis.url}" }
listeners: [{ name: smtp, listen: "127.0.0.1:${smtp}" }]
http: { ports: { ingress: ${http}, spooler: 0, delivery-agent: 0, mailbox: 0 } }
`),
    })
    const readyz = async (): Promise<string> => {
      const response = await fetch(`http://127.0.0.1:${http}/readyz`).catch(() => null)
      return response === null ? '' : `${response.status} ${await response.text()}`
    }
    try {
      await eventually('the reason', async () => (await readyz()).includes('unsafe'), 30_000)
      expect(await readyz()).toBe('503 unsafe: redis runs without appendonly yes\n')
      expect(await greets(smtp, '421 4.3.5')).toBe(true)
    } finally {
      await redis.client.config('SET', 'appendonly', 'yes')
      const sluice = await starting
      expect(await greets(smtp)).toBe(true)
      await sluice.stop()
    }
  })
})
