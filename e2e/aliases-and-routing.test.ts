/** Who gets the mail, and which way it goes: aliases, catch-all, tags, postmaster; wildcard routes, order and weight of hosts. */
import { freePort } from '@sluice/testkit'
import { expect, it } from 'vitest'
import { submit, submitRaw } from './support/client.ts'
import { mailsOf } from './support/maildir.ts'
import { useFarEnd, useSluice, useSpool } from './support/scene.ts'

const fars = {
  exact: useFarEnd(),
  wild: useFarEnd(),
  deep: useFarEnd(),
  rest: useFarEnd(),
  heavy: useFarEnd(),
  light: useFarEnd(),
  second: useFarEnd(),
}
const host = (name: keyof typeof fars): string => `"127.0.0.1:${fars[name].port}"`
const weighted = (name: keyof typeof fars, weight: number): string =>
  `{ host: 127.0.0.1, port: ${fars[name].port}, weight: ${weight} }`
const sluice = useSluice(
  async () => `
domains:
  - name: own.test
    route: local
    aliases: { sales: [anna@own.test, ben@own.test, out@wild.test], anna.smith: anna@own.test }
    postmaster: ben@own.test
  - { name: second.test, route: local, aliases: { info: sales@own.test }, postmaster: anna@own.test }
  - { name: catch.test, route: local, catchAll: anna@own.test }
  - { name: known.test, recipients: any, route: exact }
accounts: [{ address: anna@own.test }, { address: ben@own.test }]
routes:
  - { name: local, type: local }
  - { name: exact, match: [far.test], type: smtp, hosts: [${host('exact')}] }
  - { name: wild, match: ["*.far.test", wild.test], type: smtp, hosts: [${host('wild')}] }
  - { name: deep, match: ["*.deep.far.test"], type: smtp, hosts: [${host('deep')}] }
  - { name: weighted, match: [weight.test], type: smtp, select: weight, hosts: [${weighted('heavy', 3)}, ${weighted('light', 1)}] }
  - { name: ordered, match: [order.test], type: smtp, hosts: ["127.0.0.1:${await freePort()}", ${host('second')}] }
  - { name: rest, match: ["*"], type: smtp, hosts: [${host('rest')}] }
# Every message dials anew, so that the weights show.
delivery: { idleConnection: 0s }
`,
)
const spool = useSpool(sluice)

/** Where a mail arrived, by its subject. */
const arrivals = async (subject: string): Promise<string[]> => {
  const remote = Object.entries(fars).flatMap(([name, far]) =>
    far.messages
      .filter(({ content }) => content.includes(`Subject: ${subject}\r\n`))
      .flatMap(({ recipients }) => recipients.map(({ address }) => `${name} ${address}`)),
  )
  const local = await Promise.all(
    ['anna@own.test', 'ben@own.test'].map(async (address) => {
      const mails = await mailsOf(sluice.folder, address)
      return mails.filter((mail) => mail.includes(`\nSubject: ${subject}\n`)).map(() => address)
    }),
  )
  return [...remote, ...local.flat()].sort()
}

/** @param from an outsider: own networks may do more */
const deliver = async (subject: string, ...to: string[]): Promise<string[]> => {
  await submit(sluice.smtpPort, { from: 'outside@client.test', to, subject })
  await spool.idle()
  return arrivals(subject)
}

it('R-alias: an alias leads to many, here and elsewhere, also across domains; tags and case lead to the account', async () => {
  const sales = ['anna@own.test', 'ben@own.test', 'wild out@wild.test']
  expect(await deliver('alias', 'sales@own.test')).toEqual(sales)
  expect(await deliver('chain', 'Info@second.test')).toEqual(sales)
  expect(await deliver('dotted', 'Anna.Smith@OWN.test')).toEqual(['anna@own.test'])
  expect(await deliver('tag', 'anna+shop@own.test')).toEqual(['anna@own.test'])
  expect(await deliver('tagged alias', 'sales+spring@own.test')).toEqual(sales)
  expect(await deliver('catch-all', 'whoever.it.is@catch.test')).toEqual(['anna@own.test'])
  expect(await deliver('once', 'sales@own.test', 'anna@own.test', 'info@second.test')).toEqual(sales)
  const [mail] = (await mailsOf(sluice.folder, 'anna@own.test')).filter((each) => each.includes('\nSubject: tag\n'))
  expect(mail).toContain('\nDelivered-To: anna@own.test\n')
  expect(mail).toContain('X-Original-To: anna+shop@own.test\n')
})

it('R-alias: unknown names are refused with 550 5.1.1 at RCPT, and the others get the mail', async () => {
  const { id, replies } = await submitRaw(sluice.smtpPort, {
    from: 'outside@client.test',
    to: ['nobody@own.test', 'anna@own.test', 'nobody@second.test', '"nobody@far.test"@own.test'],
    subject: 'partly known',
  })
  expect(replies.slice(1, 5).map((reply) => reply.slice(0, 9))).toEqual(['550 5.1.1', '250 2.1.5', '550 5.1.1', '550 5.1.1'])
  expect(id).not.toBeNull()
  await spool.idle()
  expect(await arrivals('partly known')).toEqual(['anna@own.test'])
})

it('R-postmaster: postmaster, abuse and mailer-daemon have a target in any case, with and without a domain', async () => {
  expect(await deliver('roles', 'PostMaster@own.test')).toEqual(['ben@own.test'])
  expect(await deliver('abuse', 'abuse@own.test')).toEqual(['ben@own.test'])
  expect(await deliver('daemon', 'MAILER-DAEMON@own.test')).toEqual(['ben@own.test'])
  expect(await deliver('bare', 'POSTMASTER')).toEqual(['ben@own.test'])
})

it('R-route: the exact domain wins, then the longest wildcard, then the default; a domain may name its route', async () => {
  const to = ['a@far.test', 'b@sub.far.test', 'c@x.deep.far.test', 'd@deep.far.test', 'e@elsewhere.test', 'f@known.test']
  expect(await deliver('routes', ...to)).toEqual([
    'deep c@x.deep.far.test',
    'exact a@far.test',
    'exact f@known.test',
    'rest e@elsewhere.test',
    'wild b@sub.far.test',
    'wild d@deep.far.test',
  ])
})

it('R-route: hosts in order: with the first one down the next takes it, in the same attempt', async () => {
  const id = await submit(sluice.smtpPort, { from: 'outside@client.test', to: ['ok@order.test'], subject: 'order' })
  await spool.idle()
  expect(await arrivals('order')).toEqual(['second ok@order.test'])
  const [history] = (await spool.trace(id)).history
  expect(history?.attempts).toMatchObject([{ n: 1, stage: 'dot' }])
})

it('R-route: hosts by weight share the mail in that proportion', async () => {
  const COUNT = 40
  for (let n = 0; n < COUNT; n++) {
    await submit(sluice.smtpPort, { from: 'outside@client.test', to: [`ok+${n}@weight.test`], subject: 'weight' })
    await spool.idle()
  }
  const taken = await arrivals('weight')
  expect(taken).toHaveLength(COUNT)
  expect(new Set(taken.map((each) => each.split(' ')[1])).size).toBe(COUNT)
  // Three in four; four standard deviations to each side, so that chance alone does not fail it.
  const heavy = taken.filter((each) => each.startsWith('heavy ')).length
  expect(heavy).toBeGreaterThan(18)
  expect(heavy).toBeLessThan(COUNT)
})
