/** Clients that talk nonsense, vanish, crawl or crowd: they are let go, leave nothing behind, and others are served meanwhile. */
import { readdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { eventually, startSluice } from './support/gateway.ts'
import { openSmtp, type Smtp, startLoad } from './support/load.ts'
import { openDescriptors, peakMemory } from './support/processes.ts'
import { allTo, useFarEnd, useSluice, useSpool } from './support/scene.ts'

const PER_CLIENT = 220
const MIB = 2 ** 20

const far = useFarEnd()
const sluice = useSluice(
  () => `
content: { store: redis, threshold: 64KiB }
limits: { connectionsPerClient: ${PER_CLIENT}, idle: 5s, session: 12s, errors: 10 }
${allTo(far)}
`,
)
const spool = useSpool(sluice)

/** All that a server says until it ends the connection; the bytes go out after its greeting. */
const lastWords = (port: number, bytes: Uint8Array | string): Promise<string> =>
  new Promise((resolve) => {
    let said = ''
    const socket = connect(port, '127.0.0.1')
    socket.once('data', () => void socket.write(bytes))
    socket.on('data', (chunk) => {
      said += chunk.toString()
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(said))
  })

const inData = async (to: string): Promise<Smtp> => {
  const smtp = openSmtp(sluice.smtpPort)
  await smtp.reply()
  for (const line of ['EHLO client.test', 'MAIL FROM:<a@client.test>', `RCPT TO:<${to}>`, 'DATA']) {
    smtp.write(`${line}\r\n`)
    expect(await smtp.reply()).toMatch(/^[23]/)
  }
  return smtp
}

describe('clients that misbehave', () => {
  it.concurrent('R-limits: garbage ends with 421, whatever it is', async () => {
    const noise = Buffer.from(Array.from({ length: 64 * 1024 }, (_, n) => (n * 7919 + (n >> 3)) % 256))
    const hello = Buffer.from('16030100c8010000c40303', 'hex')
    const said = await Promise.all([
      lastWords(sluice.smtpPort, noise),
      lastWords(
        sluice.smtpPort,
        noise.map((byte) => (byte === 10 || byte === 13 ? 32 : byte)),
      ),
      lastWords(sluice.smtpPort, hello),
      lastWords(sluice.smtpPort, 'x\r\n'.repeat(1000)),
      lastWords(sluice.smtpPort, `GET / HTTP/1.1\r\n${'Host: a\r\n'.repeat(100)}\r\n`),
    ])
    for (const each of said) expect(each).toMatch(/^220 .*\r\n([\s\S]*\r\n)?421 /)
  })

  it.concurrent('R-limits: who says nothing gets 421 when the idle time is over, and who crawls when the session is', async () => {
    const crawl = async (): Promise<string> => {
      const smtp = await inData('slow@far.test')
      while (!smtp.isEnded()) {
        smtp.write('x')
        await sleep(500)
      }
      return smtp.reply()
    }
    const startedAt = Date.now()
    const [silent, slow] = await Promise.all([lastWords(sluice.smtpPort, ''), crawl()])
    expect(silent).toMatch(/^220 .*\r\n421 4\.4\.2 /)
    expect(slow).toMatch(/^421 4\.4\.2 /)
    expect(Date.now() - startedAt).toBeGreaterThan(11_000)
  })

  it.concurrent('R-451: who vanishes in DATA leaves nothing in Redis', async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, (_, n) => inData(`vanish${n}@far.test`)))
    for (const client of clients) client.write(`Subject: x\r\n\r\n${`${'y'.repeat(76)}\r\n`.repeat(8000)}`)
    const keys = (): Promise<string[]> => spool.redis.keys('*content*')
    await eventually('pieces of content', async () => (await keys()).length > 0)
    for (const client of clients) client.close()
    await eventually('nothing', async () => (await keys()).length === 0)
    expect(far.messages.filter(({ recipients }) => recipients[0]?.address.startsWith('vanish'))).toEqual([])
  })

  it('R-limits: a crowd of idle connections is bounded, others are served, and all of it is given back', async () => {
    const ingress = sluice.pidOf('ingress')
    await eventually('no connections', async () => /connections_open\{[^}]*\} 0$/m.test(await sluice.metrics('ingress')))
    const before = await openDescriptors(ingress)
    const crowd = Array.from({ length: PER_CLIENT }, () => openSmtp(sluice.smtpPort))
    for (const smtp of crowd) expect(await smtp.reply()).toMatch(/^220 /)
    const beyond = await Promise.all(Array.from({ length: 10 }, () => openSmtp(sluice.smtpPort).reply()))
    for (const reply of beyond) expect(reply).toMatch(/^421 4\.7\.0 /)
    expect(await sluice.readyz('ingress')).toBe(200)
    expect(await openDescriptors(ingress)).toBeLessThanOrEqual(before + PER_CLIENT + 10)
    for (const smtp of crowd.slice(0, 20)) smtp.close()
    const load = startLoad({ port: sluice.smtpPort, count: 50, connections: 5, to: (n) => `m${n}@far.test` })
    await load.done
    for (const smtp of crowd.slice(20)) expect(await smtp.reply()).toMatch(/^421 4\.4\.2 /)
    await far.received(50)
    await eventually('descriptors given back', async () => (await openDescriptors(ingress)) <= before + 2)
    expect(await sluice.readyz('ingress')).toBe(200)
    expect(await peakMemory(ingress)).toBeLessThan(200 * MIB)
    expect(sluice.pidOf('ingress')).toBe(ingress)
  })
})

describe('clients that vanish, content.store file', () => {
  it('R-451: leave no file', async () => {
    const other = await startSluice({
      config:
        'hostname: mx.sluice.test\ntrustedNetworks: [127.0.0.1/32]\ncontent: { store: file }\nroutes: [{ name: far, match: ["*"], type: smtp, hosts: ["127.0.0.1:9"] }]\n',
    })
    try {
      const client = openSmtp(other.smtpPort)
      await client.reply()
      for (const line of ['EHLO client.test', 'MAIL FROM:<a@client.test>', 'RCPT TO:<b@far.test>', 'DATA']) {
        client.write(`${line}\r\n`)
        await client.reply()
      }
      client.write(`Subject: x\r\n\r\n${`${'y'.repeat(76)}\r\n`.repeat(8000)}`)
      const files = async (): Promise<string[]> => {
        const entries = await readdir(join(other.folder, 'content'), { recursive: true, withFileTypes: true }).catch(() => [])
        return entries.filter((entry) => entry.isFile() && entry.name !== '.gateway').map(({ name }) => name)
      }
      await eventually('a file', async () => (await files()).length > 0)
      client.close()
      await eventually('no file', async () => (await files()).length === 0)
    } finally {
      await other.stop()
    }
  })
})
