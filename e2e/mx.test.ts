/** Mail to whom the DNS names, on port 25, with a name server of the scenario's own. */
import { type FarEnd, startDns, startFarEnd } from '@sluice/testkit'
import { expect, it } from 'vitest'
import { submit } from './support/client.ts'
import { eventually, startSluice } from './support/gateway.ts'
import { mailsOf, watchMails } from './support/maildir.ts'
import { readNotice, told } from './support/notice.ts'
import { useSluice, useSpool, useStarted } from './support/scene.ts'
import { openSpool } from './support/spool.ts'

/** Addresses that no other program uses: MX hosts listen on port 25 and no other. */
const ADDRESS = { one: '127.25.0.1', two: '127.25.0.2', three: '127.25.0.3', nobody: '127.25.0.9' }

const RECORDS = {
  'one.mx.test': [`A ${ADDRESS.one}`],
  'two.mx.test': [`A ${ADDRESS.two}`],
  'three.mx.test': [`A ${ADDRESS.three}`],
  'nobody.mx.test': [`A ${ADDRESS.nobody}`],
  'many.mx.test': [`A ${ADDRESS.nobody}`, `A ${ADDRESS.three}`],
  'mx.sluice.test': [`A ${ADDRESS.nobody}`],
  'preferred.test': ['MX 10 two.mx.test.', 'MX 5 one.mx.test.'],
  'fallback.test': ['MX 10 nobody.mx.test.', 'MX 20 two.mx.test.'],
  'equal.test': ['MX 10 one.mx.test.', 'MX 10 two.mx.test.', 'MX 20 three.mx.test.'],
  'many.test': ['MX 10 many.mx.test.'],
  'implicit.test': [`A ${ADDRESS.three}`],
  'null.test': ['MX 0 .'],
  'empty.test': ['TXT "no address at all"'],
  'backup.test': ['MX 5 one.mx.test.', 'MX 10 mx.sluice.test.', 'MX 20 two.mx.test.'],
  'loop.test': ['MX 10 MX.sluice.test.', 'MX 20 two.mx.test.'],
}

const onPort25 = (host: string): Promise<FarEnd> =>
  startFarEnd({ host, port: 25 }).catch((cause: unknown) => {
    throw new Error(`MX delivery goes to port 25, and ${host}:25 cannot be listened on here: this scenario needs root`, { cause })
  })

const fars = {
  one: useStarted(() => onPort25(ADDRESS.one)),
  two: useStarted(() => onPort25(ADDRESS.two)),
  three: useStarted(() => onPort25(ADDRESS.three)),
}
const dns = useStarted(() => startDns(RECORDS, ['broken.example']))
const configWith = (more: string): string => `
domains: [{ name: own.example, route: local }]
accounts: [{ address: anna@own.example }]
routes:
  - { name: local, type: local }
  - { name: internet, match: ["*"], type: mx }
resolver: { servers: ["${dns.server.host}:${dns.server.port}"] }
${more}
`
const sluice = useSluice(() => configWith('delivery: { allowPrivateMx: true, idleConnection: 0s, timeouts: { connect: 5s } }'))
const spool = useSpool(sluice)
const newMails = watchMails(sluice, 'anna@own.example')

const send = (to: string): Promise<string> => submit(sluice.smtpPort, { from: 'anna@own.example', to: [to] })

/** Who took the mails to an address. */
const takers = (address: string): string[] =>
  (['one', 'two', 'three'] as const).flatMap((name) =>
    fars[name].messages.filter(({ recipients }) => recipients.some((each) => each.address === address)).map(() => name),
  )

const deliver = async (address: string): Promise<string[]> => {
  await send(address)
  await spool.idle()
  return takers(address)
}

/** @returns what the sender was told of this message */
const bounce = async (address: string): Promise<string[]> => {
  await newMails()
  await send(address)
  await spool.idle()
  const notices = (await newMails()).map(readNotice)
  expect(notices.map(({ text }) => text.replaceAll('\n', ' '))).toEqual([
    expect.stringContaining('There is no route to the destination'),
  ])
  return notices.flatMap(told)
}

it('R-mx: the preferred host gets it; when it is down the next one, in the same attempt', async () => {
  expect(await deliver('ok@preferred.test')).toEqual(['one'])
  expect(await deliver('ok@fallback.test')).toEqual(['two'])
  expect(sluice.events('deferral')).toEqual([])
})

it('R-mx: equal hosts share the mail, less preferred ones get none', async () => {
  const COUNT = 24
  for (let n = 0; n < COUNT; n++) await deliver(`ok+${n}@equal.test`)
  const all = Array.from({ length: COUNT }, (_, n) => takers(`ok+${n}@equal.test`)).flat()
  expect(all).toHaveLength(COUNT)
  expect([...new Set(all)].sort()).toEqual(['one', 'two'])
})

it('R-mx: all addresses of a host are tried; without MX the domain itself is the host', async () => {
  expect(await deliver('ok@many.test')).toEqual(['three'])
  expect(await deliver('ok@implicit.test')).toEqual(['three'])
})

it('R-mx: a null MX bounces with 5.1.10, a domain that does not exist with 5.1.2, one without any host too', async () => {
  expect(await bounce('ok@null.test')).toEqual(['ok@null.test failed 5.1.10'])
  expect(await bounce('ok@no-such-domain.test')).toEqual(['ok@no-such-domain.test failed 5.1.2'])
  expect(await bounce('ok@empty.test')).toEqual(['ok@empty.test failed 5.1.2'])
})

it('R-mx: our own host and what is not better is dropped; nothing left is a loop, 5.4.6', async () => {
  expect(await deliver('ok@backup.test')).toEqual(['one'])
  fars.one.set({ dropAt: 'connect' })
  const id = await send('later@backup.test')
  await eventually('the deferral', () => sluice.events('deferral').some((line) => line.id === id))
  expect(takers('later@backup.test')).toEqual([])
  fars.one.set({ dropAt: 'auth' }) // which nobody asks for
  await sluice.cli('retry', 'backup.test')
  await spool.idle()
  expect(takers('later@backup.test')).toEqual(['one'])
  expect(await bounce('ok@loop.test')).toEqual(['ok@loop.test failed 5.4.6'])
})

it('R-mx: a name server that fails means 4.4.3 and another try', async () => {
  const id = await send('ok@broken.example')
  const line = await eventually('the deferral', () => sluice.events('deferral').find((each) => each.id === id))
  expect(line).toMatchObject({ status: '4.4.3', to: 'ok@broken.example', attempt: 1 })
  expect((await spool.trace(id)).tasks).toMatchObject([{ destination: 'broken.example', state: 'delayed' }])
})

it('R-mx: private and loopback addresses are refused unless allowed', async () => {
  const strict = await startSluice({ config: configWith('') })
  const inside = await openSpool(strict.folder)
  try {
    await submit(strict.smtpPort, { from: 'anna@own.example', to: ['strict@preferred.test'] })
    await inside.idle()
    const notices = (await mailsOf(strict.folder, 'anna@own.example')).map(readNotice)
    expect(notices.map(told)).toEqual([['strict@preferred.test failed 5.4.4']])
    expect(takers('strict@preferred.test')).toEqual([])
  } finally {
    inside.stop()
    await strict.stop()
  }
})
