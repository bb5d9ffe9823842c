/** Which messages are traced: decided once, when a message comes, by the config, which is followed, or by the environment. */
import { expect, it } from 'vitest'
import { submit } from '../support/client.ts'
import { startCollector } from '../support/collector.ts'
import { eventually, type Sluice, startSluice } from '../support/gateway.ts'
import { annaAndAllTo, useFarEnd, useStarted } from '../support/scene.ts'

const far = useFarEnd()
const collector = useStarted(() => startCollector(), 600_000)

const sampled = (ids: string[]): string[] => {
  const seen = new Set(
    collector.spans.filter(({ name }) => name === 'reception').map(({ attributes }) => attributes['messaging.message.id']),
  )
  return ids.filter((id) => seen.has(id))
}
const send = (sluice: Sluice, count: number): Promise<string[]> =>
  Promise.all(Array.from({ length: count }, () => submit(sluice.smtpPort, { from: 'anna@own.test', to: ['ok@far.test'] })))
const delivered = (sluice: Sluice, ids: string[]): boolean => {
  const done = new Set(sluice.events('delivery').map(({ id }) => id))
  return ids.every((id) => done.has(id))
}
/** All of it is sent when a gateway has stopped. */
const withGateway = async (more: string, env: NodeJS.ProcessEnv, play: (sluice: Sluice) => Promise<void>): Promise<void> => {
  const sluice = await startSluice({ config: `${annaAndAllTo(far)}\n${more}`, env: { ...collector.env, ...env } })
  try {
    await play(sluice)
  } finally {
    await sluice.stop()
  }
}

it('a part of the messages is traced, each from end to end or not at all', async () => {
  let ids: string[] = []
  await withGateway('tracing: { sample: 50% }', {}, async (sluice) => {
    ids = await send(sluice, 60)
    await eventually('all deliveries', () => delivered(sluice, ids))
  })
  const traced = sampled(ids)
  expect(traced.length).toBeGreaterThan(10)
  expect(traced.length).toBeLessThan(50)
  const attempts = collector.spans
    .filter(({ name }) => name === 'attempt')
    .map(({ attributes }) => attributes['messaging.message.id'])
  expect(attempts.filter((id) => ids.includes(String(id))).sort()).toEqual(traced.sort())
})

it('the part may change while mail flows', async () => {
  let before: string[] = []
  let after: string[] = []
  await withGateway('tracing: { sample: 0% }', {}, async (sluice) => {
    before = await send(sluice, 5)
    await sluice.configure(`${annaAndAllTo(far)}\ntracing: { sample: 100% }`)
    await eventually('ingress to take the new config', () =>
      sluice.log().some(({ service, keys }) => service === 'ingress' && keys === 'tracing'),
    )
    after = await send(sluice, 5)
    await eventually('all deliveries', () => delivered(sluice, [...before, ...after]))
  })
  expect([sampled(before).length, sampled(after).length]).toEqual([0, 5])
})

it('OTEL_TRACES_SAMPLER goes before the config, and OTEL_SERVICE_NAME names the service', async () => {
  let ids: string[] = []
  const env = { OTEL_TRACES_SAMPLER: 'parentbased_always_on', OTEL_SERVICE_NAME: 'post-office' }
  await withGateway('tracing: { sample: 0% }', env, async (sluice) => {
    ids = await send(sluice, 3)
    await eventually('all deliveries', () => delivered(sluice, ids))
  })
  expect(sampled(ids)).toEqual(ids)
  const own = collector.spans.filter(({ attributes }) => ids.includes(String(attributes['messaging.message.id'])))
  expect(new Set(own.map(({ resource }) => resource['service.name']))).toEqual(new Set(['post-office']))
})
