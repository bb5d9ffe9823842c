/** The config changes while mail flows: routes, policies and classes apply within seconds; a broken file changes nothing. */
import { expect, it } from 'vitest'
import { submit } from './support/client.ts'
import { eventually } from './support/gateway.ts'
import { allTo, useFarEnd, useSluice, useSpool } from './support/scene.ts'

const one = useFarEnd()
const two = useFarEnd()
const sluice = useSluice(() => allTo(one))
const spool = useSpool(sluice)

const SERVICES = ['ingress', 'spooler', 'delivery-agent']

const saysOf = (text: string, service: string) => sluice.log().filter((line) => line.service === service && line.msg === text)

/** Every service has said it so often. */
const said = (text: string, times = 1) =>
  eventually(`every service to say: ${text}`, () => SERVICES.every((service) => saysOf(text, service).length >= times))

const APPLIES = 'the config has changed and applies now'
const BROKEN = 'the changed config cannot be used; the last good one stays in force'

it('a route leads elsewhere while mail flows: the next mail follows within seconds, and every mail arrives once', async () => {
  let flowing = true
  const ids: string[] = []
  const flow = (async () => {
    while (flowing) ids.push(await submit(sluice.smtpPort, { from: 'anna@client.test', to: ['ok@far.test'] }))
  })()
  await one.received(20)
  const changedAt = Date.now()
  await sluice.configure(allTo(two))
  await two.received(1)
  const followedAfterMs = Date.now() - changedAt
  await said(APPLIES)
  // One more look of each service that the flow began before.
  const before = one.messages.length
  await two.received(two.messages.length + 20)
  flowing = false
  await flow
  await spool.idle()
  expect(one.messages.length - before).toBeLessThanOrEqual(5)
  expect(one.messages.length + two.messages.length).toBe(ids.length)
  expect(new Set(ids).size).toBe(ids.length)
  // 2 s between two looks, 0.3 s to be sure of the file, and a busy machine.
  expect(followedAfterMs).toBeLessThan(10_000)
})

it('a broken file is told once, with its line, and the last good one stays; the mended one applies', async () => {
  const sent = two.messages.length
  await sluice.configure(`${allTo(one)}\npolicies:\n  - { match: { rout: far }, connections: 1 }`)
  await said(BROKEN)
  expect(saysOf(BROKEN, 'ingress')[0]?.problems).toMatch(/sluice\.yaml:3: policies\[0\]\.match\.rout: this key is unknown/)
  await submit(sluice.smtpPort, { from: 'anna@client.test', to: ['ok@far.test'] })
  await two.received(sent + 1)
  await sluice.configure(`${allTo(one)}\nclasses: [{ name: bulk, share: 1, match: { sender: "news@*" } }]`)
  await said(APPLIES, 2)
  const taken = one.messages.length
  const bulk = await submit(sluice.smtpPort, { from: 'news@client.test', to: ['ok@far.test'] })
  const other = await submit(sluice.smtpPort, { from: 'anna@client.test', to: ['ok@far.test'] })
  await one.received(taken + 2)
  await spool.idle()
  const destinationOf = (id: string) => sluice.events('delivery').find((line) => line.id === id)?.destination
  expect([bulk, other].map(destinationOf)).toEqual(['far/bulk', 'far'])
  for (const service of SERVICES) expect(saysOf(BROKEN, service)).toHaveLength(1)
})

it('a policy slows the mail that comes after it, without a restart', async () => {
  await sluice.configure(`${allTo(one)}\npolicies: [{ match: { route: far }, rate: 5/s }]`)
  await said(APPLIES, 3)
  // The spooler has read it, and makes its grants anew: mail that comes in that very moment still goes by the old ones.
  await eventually('mail to be slowed', async () => {
    const taken = one.messages.length
    const began = Date.now()
    await Promise.all(
      Array.from({ length: 16 }, () => submit(sluice.smtpPort, { from: 'anna@client.test', to: ['ok@far.test'] })),
    )
    await one.received(taken + 16)
    return Date.now() - began > 2000
  })
})

it('a key that needs a restart is named, and the old one stays', async () => {
  await sluice.configure(`${allTo(one)}\nlimits: { size: 1KiB }`)
  const told = await eventually(
    'the warning',
    () => saysOf('these keys of the config have changed and apply after a restart', 'ingress')[0],
  )
  expect(told.keys).toBe('limits.sizeBytes')
  const taken = one.messages.length
  await submit(sluice.smtpPort, { from: 'anna@client.test', to: ['ok@far.test'], body: 'x'.repeat(2000) })
  await one.received(taken + 1)
})
