/**
 * Far ends that drop, talk nonsense, close, fall silent or break TLS, at every stage: each ends in a deferral that says why, never
 * in a bounce or in a storm of connections, and once the far end is mended its mail arrives once.
 */
import { createCertificate, type FarEnd, type FarEndOptions, type FarEndStage, startFarEnd } from '@sluice/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { idOf } from './support/accounts.ts'
import { eventually } from './support/gateway.ts'
import { openSmtp } from './support/load.ts'
import { useSluice } from './support/scene.ts'

type Case = { name: string; options: FarEndOptions; tls?: 'required' }

const DROP_AT: FarEndStage[] = ['connect', 'greeting', 'ehlo', 'mail', 'rcpt', 'data', 'content', 'dot']
const REPLY_AT: FarEndStage[] = ['greeting', 'ehlo', 'mail', 'rcpt', 'data', 'dot']
const SILENT_AT: FarEndStage[] = ['greeting', 'ehlo', 'mail', 'rcpt', 'data', 'dot']

const CASES: Case[] = [
  ...DROP_AT.map((stage): Case => ({ name: `drop-${stage}`, options: { dropAt: stage } })),
  ...REPLY_AT.map((stage): Case => ({ name: `nonsense-${stage}`, options: { replies: { [stage]: 'what would you like?' } } })),
  ...REPLY_AT.map((stage): Case => ({ name: `closing-${stage}`, options: { replies: { [stage]: '421 4.3.2 closing' } } })),
  ...SILENT_AT.map((stage): Case => ({ name: `silent-${stage}`, options: { silentAt: stage } })),
  { name: 'tls-refused', options: { tls: 'refused' }, tls: 'required' },
  { name: 'tls-garbage', options: { tls: 'garbage' }, tls: 'required' },
  { name: 'tls-drop', options: { tls: 'drop' }, tls: 'required' },
]
/** A second one is allowed where the first says nothing of the message: HELO after EHLO, without TLS after TLS. */
const MOST_CONNECTIONS = 2

const ends = new Map<string, FarEnd>()
const ids = new Map<string, string>()
beforeAll(async () => {
  for (const { name, options } of CASES) ends.set(name, await startFarEnd(options))
})
afterAll(async () => {
  for (const end of ends.values()) await end.stop()
})
const timeouts = ['connect', 'greeting', 'ehlo', 'tls', 'mail', 'rcpt', 'data', 'block', 'dot'].map((step) => `${step}: 3s`)
const route = ({ name, tls = 'opportunistic' as const }: { name: string; tls?: string }) =>
  `  - { name: ${name}, match: [${name}.test], type: smtp, hosts: ["127.0.0.1:${ends.get(name)?.port}"], tls: ${tls} }`
const sluice = useSluice(
  () => `
delivery: { timeouts: { ${timeouts.join(', ')} } }
routes:
${CASES.map(route).join('\n')}
`,
)

/** One message to each, over one connection. */
const sendToAll = async (): Promise<void> => {
  const smtp = openSmtp(sluice.smtpPort)
  await smtp.reply()
  const say = async (text: string): Promise<string> => {
    smtp.write(`${text}\r\n`)
    return smtp.reply()
  }
  await say('EHLO client.test')
  for (const { name } of CASES) {
    await say('MAIL FROM:<sender@client.test>')
    await say(`RCPT TO:<ok@${name}.test>`)
    await say('DATA')
    const reply = await say(`Subject: ${name}\r\n\r\nhello\r\n.`)
    ids.set(name, /queued as (\w+)/.exec(reply)?.[1] ?? '')
  }
  smtp.close()
}

describe('far ends that misbehave', () => {
  it('R-outcome: each ends in a deferral that tells why, and is not asked again at once', async () => {
    await sendToAll()
    await eventually('all deferrals', () => sluice.events('deferral').length >= CASES.length, 60_000, 200)
    const deferrals = new Map(sluice.events('deferral').map((line) => [line.id, line]))
    for (const { name } of CASES) {
      const deferral = deferrals.get(ids.get(name) ?? '')
      expect(deferral, name).toMatchObject({ to: `ok@${name}.test`, attempt: 1, status: expect.stringMatching(/^4\.\d\.\d+$/) })
      expect(String(deferral?.reply), name).toMatch(/\w+ \w+/)
    }
    expect(sluice.events('bounce')).toEqual([])
    expect(sluice.events('delivery')).toEqual([])
  })

  it("trace and queue show the far end's words", async () => {
    const trace = async (name: string): Promise<string> => (await sluice.cli('trace', ids.get(name) ?? '')).stdout
    expect(await trace('nonsense-rcpt')).toContain('what would you like?')
    expect(await trace('closing-dot')).toContain('421 4.3.2 closing')
    expect(await trace('drop-content')).toMatch(/attempt 1, 127\.0\.0\.1.*(closed|lost|broke|ended)/)
    expect(await trace('silent-dot')).toContain('no reply to the final dot within 3 s')
    expect(await trace('tls-garbage')).toMatch(/attempt 1, 127\.0\.0\.1.*(TLS|tls|SSL)/)
    const { destinations } = JSON.parse((await sluice.cli('queue', '--json')).stdout)
    expect(destinations).toHaveLength(CASES.length)
    for (const state of destinations) expect(state).toMatchObject({ waiting: 0, active: 0, delayed: 1, parked: 0 })
  })

  it('are asked again in their time, and have their mail once, when they are mended', async () => {
    for (const [name, end] of ends) expect(end.connections.length, name).toBeLessThanOrEqual(MOST_CONNECTIONS)
    const certificate = await createCertificate(['127.0.0.1'])
    for (const { name, tls } of CASES) {
      const old = ends.get(name)
      await old?.stop()
      const mended: FarEndOptions = tls === 'required' ? { tls: 'starttls', certificate } : {}
      ends.set(name, await startFarEnd({ ...mended, port: old?.port ?? 0 }))
    }
    await sluice.setClock(2 * 3_600_000 + 60_000)
    for (const { name } of CASES) {
      const messages = await ends.get(name)?.received(1, 60_000)
      expect(
        messages?.map(({ content }) => idOf(content)),
        name,
      ).toEqual([ids.get(name)])
    }
    await eventually('an empty queue', async () => (await sluice.cli('queue')).stdout === 'The queue is empty.\n', 30_000)
    for (const [name, end] of ends) expect(end.messages, name).toHaveLength(1)
  })
})
