/** Classes: each recipient's copy goes into the queue of its class, in whatever lane, and no content is left behind. */
import { expect, it } from 'vitest'
import { eventually } from './support/gateway.ts'
import { routesTo, useFarEnd, useSluice, useSpool } from './support/scene.ts'
import { submit } from './support/wire.ts'

const one = useFarEnd()
const two = useFarEnd()
const sluice = useSluice(
  () => `
redis: { lanes: 4 }
classes:
  - { name: vip, share: 50, match: { recipient: "ok+vip@*" } }
  - { name: bulk, share: 1, match: { header: { name: Precedence, pattern: bulk } } }
  - { name: lists, share: 2, match: { header: { name: List-Id } } }
  - { name: large, match: { minSize: 300KiB } }
${routesTo({ one, two })}
`,
)
const spool = useSpool(sluice)

const send = (to: string[], header: string, body = 'A line.\r\n'): Promise<string> =>
  submit(sluice.smtpPort, {
    from: 'anna@client.test',
    to,
    content: `From: <anna@client.test>\r\n${header}Subject: a mail\r\n\r\n${body}`,
  })

const destinationsOf = (id: string): string[] =>
  sluice
    .events('delivery')
    .filter((line) => line.id === id)
    .map((line) => `${line.to} ${line.destination}`)
    .sort()

const delivered = (id: string, count: number) => eventually(`${count} deliveries`, () => destinationsOf(id).length === count)

it('are chosen by header, recipient and size', async () => {
  const cases: [header: string, to: string, body: string, destination: string][] = [
    ['', 'ok@one.test', 'x\r\n', 'one'],
    ['Precedence: BULK\r\n', 'ok@one.test', 'x\r\n', 'one/bulk'],
    ['Precedence: first-class\r\n', 'ok@one.test', 'x\r\n', 'one'],
    ['list-id: Our list\r\n <l.test>\r\n', 'ok@one.test', 'x\r\n', 'one/lists'],
    ['Precedence: bulk\r\n', 'ok+vip@one.test', 'x\r\n', 'one/vip'],
    ['', 'ok@one.test', 'Precedence: bulk\r\n', 'one'],
    ['', 'ok@one.test', `${'x'.repeat(70)}\r\n`.repeat(5000), 'one/large'],
  ]
  for (const [header, to, body, destination] of cases) {
    const id = await send([to], header, body)
    await delivered(id, 1)
    expect(destinationsOf(id)).toEqual([`${to} ${destination}`])
  }
})

it('part the recipients of one message, small or large; its content goes when the last has it', async () => {
  for (const body of ['x\r\n', `${'x'.repeat(70)}\r\n`.repeat(8000)]) {
    const id = await send(['ok+vip@one.test', 'ok+a@one.test', 'ok+b@two.test'], 'Precedence: bulk\r\n', body)
    await delivered(id, 3)
    expect(destinationsOf(id)).toEqual(['ok+a@one.test one/bulk', 'ok+b@two.test two/bulk', 'ok+vip@one.test one/vip'])
    const same = await send(['ok+vip@one.test', 'ok+a@one.test'], 'Precedence: bulk\r\n', body)
    await delivered(same, 2)
    expect(destinationsOf(same)).toEqual(['ok+a@one.test one/bulk', 'ok+vip@one.test one/vip'])
    const keysOf = async (of: string): Promise<string[]> =>
      (await spool.redis.keys(`*${of}*`)).filter((key) => !/:(history|once):/.test(key))
    await eventually('no content to be left', async () => [...(await keysOf(id)), ...(await keysOf(same))].length === 0)
  }
})
