/** What a client meets at the listener of a running gateway: names, limits, order, addresses. */
import { expect, it } from 'vitest'
import { submit, submitRaw } from './support/client.ts'
import { allTo, useFarEnd, useSluice, useSpool } from './support/scene.ts'
import { openWire } from './support/wire.ts'

const far = useFarEnd()
const sluice = useSluice(
  () => `
${allTo(far)}
limits: { size: 64KiB }
`,
)
const spool = useSpool(sluice)

it('R-banner: the banner comes at once, and the own name stands in banner, EHLO, Received and Message-ID', async () => {
  const waits: number[] = []
  for (let n = 0; n < 10; n++) {
    const startedAt = performance.now()
    const wire = await openWire(sluice.smtpPort)
    waits.push(performance.now() - startedAt)
    expect(wire.greeting).toMatch(/^220 mx\.sluice\.test ESMTP/)
    wire.close()
  }
  expect(Math.min(...waits)).toBeLessThan(50)
  const wire = await openWire(sluice.smtpPort)
  const [ehlo] = await wire.say('EHLO client.test')
  expect(ehlo?.split('\n')[0]).toMatch(/^250-mx\.sluice\.test/)
  await wire.say('MAIL FROM:<anna@client.test>', 'RCPT TO:<ok+banner@far.test>', 'DATA')
  wire.write('Subject: no Message-ID of its own\r\n\r\nA line\r\n.\r\n')
  const reply = await wire.reply()
  wire.close()
  const id = /^250 2\.0\.0 queued as (\w+)$/.exec(reply ?? '')?.[1]
  await spool.idle()
  const text = far.messages.at(-1)?.content.toString() ?? ''
  expect(text).toContain(`by mx.sluice.test with ESMTP\r\n\tid ${id}`)
  expect(text).toContain(`\r\nMessage-ID: <${id}@mx.sluice.test>\r\n`)
  expect(far.connections.at(-1)?.commands[0]).toBe('EHLO mx.sluice.test')
})

it('R-size: what is too large is refused, as declared at MAIL, and as it comes after the dot, and leaves nothing', async () => {
  const before = far.messages.length
  const wire = await openWire(sluice.smtpPort)
  expect((await wire.say('EHLO client.test'))[0]).toContain('\n250-SIZE 65536\n')
  expect(await wire.say('MAIL FROM:<anna@client.test> SIZE=65537')).toEqual([expect.stringMatching(/^552 5\.3\.4 /)])
  wire.close()
  const large = { from: 'anna@client.test', to: ['ok+large@far.test'], body: `${'x'.repeat(70)}\r\n`.repeat(2000) }
  const { id, replies } = await submitRaw(sluice.smtpPort, large)
  expect(id).toBeNull()
  expect(replies.map((reply) => reply.slice(0, 9))).toEqual([
    ...['250 2.1.0', '250 2.1.5'],
    expect.stringMatching(/^354/),
    '552 5.3.4',
  ])
  expect(await spool.queue()).toEqual([])
  expect(await spool.redis.keys('*content*')).toEqual([])
  await submit(sluice.smtpPort, { ...large, body: `${'x'.repeat(70)}\r\n`.repeat(800) })
  await spool.idle()
  expect(far.messages).toHaveLength(before + 1)
})

it('R-order: each command has its place and its reply, and nothing undocumented answers', async () => {
  const wire = await openWire(sluice.smtpPort)
  const said: [string, RegExp][] = [
    ['MAIL FROM:<anna@client.test>', /^503 5\.5\.1 /],
    ['NOOP', /^250 /],
    ['HELP', /^214 /],
    ['EHLO client.test', /^250-/],
    ['RCPT TO:<ok@far.test>', /^503 5\.5\.1 /],
    ['DATA', /^503 5\.5\.1 /],
    ['MAIL FROM:<anna@client.test> SLUICE=1', /^555 5\.5\.4 /],
    ['MAIL FROM:<anna@client.test>', /^250 2\.1\.0 /],
    ['MAIL FROM:<anna@client.test>', /^503 5\.5\.1 /],
    ['DATA', /^503 5\.5\.1 /],
    ['RCPT TO:<ok@far.test> SLUICE=1', /^555 5\.5\.4 /],
    ['RSET', /^250 /],
    ['RCPT TO:<ok@far.test>', /^503 5\.5\.1 /],
    ['VRFY anna', /^252 /],
    ['EXPN anna', /^502 /],
    ['SHELL', /^500 5\.5\.2 /],
    ['WIZ', /^500 5\.5\.2 /],
    ['KILL', /^500 5\.5\.2 /],
    ['QUIT', /^221 /],
  ]
  for (const [line, reply] of said) expect([line, ...(await wire.say(line))]).toEqual([line, expect.stringMatching(reply)])
  wire.close()
})

it('R-address: addresses go out as they came in; domains as A-labels; others are refused', async () => {
  const before = far.messages.length
  const to = ['MixedCase@Far.Test', '"a b"@far.test', 'user@[192.0.2.1]', "o'neil+x=y@far.test"]
  await submit(sluice.smtpPort, { from: 'Anna.Von@Client.Test', to })
  await submit(sluice.smtpPort, { from: 'anna@client.test', parameters: 'SMTPUTF8', to: ['user@bücher.test'] })
  await spool.idle()
  const arrived = far.messages.slice(before)
  expect(arrived.flatMap(({ recipients }) => recipients.map(({ address }) => address))).toEqual([
    ...['MixedCase@far.test', '"a b"@far.test', 'user@[192.0.2.1]', "o'neil+x=y@far.test"],
    'user@xn--bcher-kva.test',
  ])
  expect(arrived[0]?.from).toBe('Anna.Von@client.test')
  const wire = await openWire(sluice.smtpPort)
  await wire.say('EHLO client.test')
  expect(await wire.say('MAIL FROM:<anna@@client.test>')).toEqual([expect.stringMatching(/^501 5\.1\.7 /)])
  await wire.say('MAIL FROM:<anna@client.test>')
  for (const bad of ['a..b@far.test', 'far.test', 'a b@far.test', 'a@far_.test.', 'a@-far.test', 'a@[300.1.1.1]']) {
    expect([bad, ...(await wire.say(`RCPT TO:<${bad}>`))]).toEqual([bad, expect.stringMatching(/^501 5\.1\.3 /)])
  }
  wire.close()
})

it('R-shutdown: SIGTERM lets a running transaction end, and sends idle clients away with 421 at once', async () => {
  const before = far.messages.length
  const [busy, idle] = [await openWire(sluice.smtpPort), await openWire(sluice.smtpPort)]
  for (const wire of [busy, idle]) await wire.say('EHLO client.test')
  await busy.say('MAIL FROM:<anna@client.test>', 'RCPT TO:<ok+shutdown@far.test>', 'DATA')
  busy.write('Subject: half\r\n\r\nfirst half\r\n')
  sluice.kill('ingress', 'SIGTERM')
  expect(await idle.reply()).toMatch(/^421 4\.3\.2 /)
  expect(await idle.reply()).toBeNull()
  busy.write('second half\r\n.\r\n')
  expect(await busy.reply()).toMatch(/^250 2\.0\.0 queued as /)
  expect(await busy.reply()).toMatch(/^421 4\.3\.2 /)
  expect(await busy.reply()).toBeNull()
  await spool.idle()
  expect(far.messages.slice(before).map(({ content }) => content.toString().split('\r\n\r\n')[1])).toEqual([
    'first half\r\nsecond half\r\n',
  ])
})
