/** A site is the hosts behind domains: its rate binds them together. And whom limits for others never hold: our own mailbox. */
import { startDns, startFarEnd } from '@sluice/testkit'
import { expect, it } from 'vitest'
import { submit } from './support/client.ts'
import { eventually } from './support/gateway.ts'
import { watchMails } from './support/maildir.ts'
import { useSluice, useStarted } from './support/scene.ts'

/** An address that no other program uses: MX hosts listen on port 25 and no other. */
const ADDRESS = '127.25.7.1'
const RECORDS = {
  'shared.mx.test': [`A ${ADDRESS}`],
  'one.test': ['MX 10 shared.mx.test.'],
  'two.test': ['MX 10 shared.mx.test.'],
}

const far = useStarted(() => startFarEnd({ host: ADDRESS, port: 25 }))
const dns = useStarted(() => startDns(RECORDS))
const sluice = useSluice(
  () => `
domains: [{ name: own.example, route: local }]
accounts: [{ address: anna@own.example }]
routes:
  - { name: local, type: local }
  - { name: internet, match: ["*"], type: mx }
resolver: { servers: ["${dns.server.host}:${dns.server.port}"] }
delivery: { allowPrivateMx: true }
policies: [{ match: { site: "*.mx.test" }, rate: 4/s }]
spooler: { rate: 5/s }
`,
)
const newMails = watchMails(sluice, 'anna@own.example')

const send = (to: string): Promise<string> => submit(sluice.smtpPort, { from: 'anna@own.example', to: [to] })

it('a site’s rate holds for two domains behind one host together; local mail does not wait for the cap', {
  timeout: 60_000,
}, async () => {
  const before = far.messages.length
  await newMails()
  await Promise.all(Array.from({ length: 80 }, (_, i) => send(`ok+${i}@${i % 2 === 0 ? 'one' : 'two'}.test`)))
  await eventually('mail of both domains', () => far.messages.length >= before + 2)
  await Promise.all(Array.from({ length: 20 }, () => send('anna@own.example')))
  const arrived: string[] = []
  await eventually('local mail', async () => arrived.push(...(await newMails())) >= 20)
  const meanwhile = far.messages.slice(before)
  expect(meanwhile.length).toBeLessThan(70)
  await eventually('mail at its pace', () => far.messages.length >= before + 24)
  const times = far.messages.slice(before).map(({ startedAt }) => startedAt)
  for (const at of times) expect(times.filter((other) => other >= at && other < at + 1000).length).toBeLessThan(8)
  const to = far.messages.slice(before).map(({ recipients }) => recipients[0]?.address.split('@')[1])
  expect([...new Set(to)].sort()).toEqual(['one.test', 'two.test'])
})
