/**
 * Large content in a bucket: 25 MiB go through unharmed; ingress killed in the midst of an upload leaves no 250 and nothing behind;
 * a store that is away holds up large mail only, on its way in and on its way out, and loses none.
 */
import { createHash } from 'node:crypto'
import { createContentStore } from '@sluice/content-store'
import { lanePrefix } from '@sluice/contracts'
import { loadConfig } from '@sluice/directory'
import { createTidying } from '@sluice/spool'
import { type FarEnd, type FarEndMessage, type S3Kind, startFarEnd, startS3, type TestS3 } from '@sluice/testkit'
import { describe, expect, it } from 'vitest'
import { eventually, type Sluice, startSluice } from './support/gateway.ts'
import { openSmtp } from './support/load.ts'
import { peakMemory } from './support/processes.ts'
import { allTo } from './support/scene.ts'
import { openSpool } from './support/spool.ts'

const MIB = 2 ** 20
const HOUR = 3_600_000
const LINE = `${'0123456789abcdef'.repeat(4)}\r\n`
const linesOf = (bytes: number): string => LINE.repeat(Math.floor(bytes / LINE.length))
const sha = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex')

type Scene = { sluice: Sluice; s3: TestS3; far: FarEnd }

const withScene = async (kind: S3Kind, use: (scene: Scene) => Promise<void>, uploads = 32): Promise<void> => {
  const [s3, far] = [await startS3(kind), await startFarEnd()]
  const where = `endpoint: "${s3.endpoint}", bucket: ${s3.bucket}, accessKeyFile: ${s3.accessKeyFile}, secretKeyFile: ${s3.secretKeyFile}`
  const content = `content: { store: s3, s3: { ${where}, prefix: gateway-1/, uploads: ${uploads}, connectTimeout: 2s, timeout: 20s } }`
  const sluice = await startSluice({ config: `trustedNetworks: [127.0.0.0/8]\n${content}\n${allTo(far)}` })
  try {
    await use({ sluice, s3, far })
  } finally {
    await sluice.stop()
    await far.stop()
    await s3.stop()
  }
}

/** What lies in the bucket, but the ID of the gateway. */
const contents = async (s3: TestS3): Promise<string[]> => (await s3.objects()).filter((name) => name !== 'gateway-1/.gateway')

type Smtp = ReturnType<typeof openSmtp>

/** Up to DATA; the content is the caller's to send. */
const begin = async ({ sluice }: Scene, to: string, from = '127.0.0.1'): Promise<Smtp> => {
  const smtp = openSmtp(sluice.smtpPort, '127.0.0.1', from)
  expect(await smtp.reply()).toMatch(/^220 /)
  for (const [line, reply] of [
    ['EHLO client.test', /^250/],
    ['MAIL FROM:<large@client.test>', /^250/],
    [`RCPT TO:<${to}>`, /^250/],
    ['DATA', /^354/],
  ] as const) {
    smtp.write(`${line}\r\n`)
    expect(await smtp.reply()).toMatch(reply)
  }
  return smtp
}

/** @returns the reply to the final dot */
const send = async (scene: Scene, to: string, body: string, from?: string): Promise<string> => {
  const smtp = await begin(scene, to, from)
  try {
    smtp.write(`Subject: mail\r\n\r\n${body}.\r\n`)
    return await smtp.reply()
  } finally {
    smtp.close()
  }
}

const QUEUED = /^250 2\.0\.0 queued as /
const recipientOf = ({ recipients }: FarEndMessage): string | undefined => recipients[0]?.address
const bodyOf = (content: Buffer): Buffer => content.subarray(content.indexOf('\r\n\r\n') + 4)

/** What the spooler's sweep does every quarter of an hour, now, as if an hour had passed. */
const sweep = async ({ sluice }: Scene): Promise<number> => {
  const { content, redis } = await loadConfig(`${sluice.folder}/sluice.yaml`, {}, { dataDir: sluice.folder })
  const spool = await openSpool(sluice.folder)
  try {
    const { lanes } = redis
    const store = createContentStore({ redis: spool.redis, lanePrefix, lanes, ...content })
    return await store.sweep(-HOUR, createTidying({ redis: spool.redis, lanes }).isNeeded)
  } finally {
    spool.stop()
  }
}

describe.concurrent('content in a bucket', () => {
  it('25 MiB go through unharmed and in little memory; small mail never touches it', async () => {
    await withScene('s3rver', async (scene) => {
      const { sluice, s3, far } = scene
      const body = linesOf(25 * MIB - 1024)
      far.set({ replies: { rcpt: '450 4.2.0 later' } })
      expect(await send(scene, 'large@far.test', body)).toMatch(QUEUED)
      expect(await contents(s3)).toEqual([expect.stringMatching(/^gateway-1\/(\w\w)\/\w+\1\.0$/)])
      await eventually('the deferral', () => sluice.events('deferral').length === 1)
      far.set({ replies: {} })
      await sluice.setClock(3 * HOUR)
      const [message] = await far.received(1, 60_000)
      expect(sha(bodyOf(message?.content ?? Buffer.alloc(0)))).toBe(sha(body))
      await eventually('the object to be removed', async () => (await contents(s3)).length === 0)
      expect(await send(scene, 'small@far.test', LINE)).toMatch(QUEUED)
      await far.received(2)
      for (const service of ['ingress', 'spooler', 'delivery-agent'] as const)
        expect(await peakMemory(sluice.pidOf(service)), service).toBeLessThan(250 * MIB)
      expect(await sluice.metrics('ingress')).toMatch(
        /sluice_content_bytes_total\{[^}]*store="s3",operation="written"[^}]*\} 26\d{6}/,
      )
    })
  })

  it('R-250: ingress killed in the midst of an upload: no 250, and what it left is swept', async () => {
    await withScene('moto', async (scene) => {
      const { sluice, s3, far } = scene
      const smtp = await begin(scene, 'large@far.test')
      smtp.write(`Subject: mail\r\n\r\n${linesOf(12 * MIB)}`)
      await eventually('an upload', async () => (await s3.uploads()).length === 1)
      sluice.kill('ingress')
      await expect(smtp.reply()).rejects.toThrow('the connection has ended')
      expect(await s3.uploads()).toHaveLength(1)
      expect(await contents(s3)).toEqual([])
      const body = linesOf(12 * MIB)
      far.set({ replies: { rcpt: '450 4.2.0 later' } })
      const again = (): Promise<boolean> => send(scene, 'again@far.test', body).then((reply) => QUEUED.test(reply))
      await eventually('ingress to be back', () => again().catch(() => false))
      expect(await sweep(scene)).toBe(1)
      expect(await s3.uploads()).toEqual([])
      expect(await contents(s3)).toHaveLength(1)
      await eventually('the deferral', () => sluice.events('deferral').length === 1)
      far.set({ replies: {} })
      await sluice.setClock(3 * HOUR)
      await far.received(1, 60_000)
      expect(far.messages.map(({ content }) => sha(bodyOf(content)))).toEqual([sha(body)])
    })
  })

  it('a client that is slow with many large messages holds up nobody else', async () => {
    await withScene(
      'moto',
      async (scene) => {
        const slow: Smtp[] = []
        for (let i = 0; i < 6; i++) slow.push(await begin(scene, `slow-${i}@far.test`))
        for (const smtp of slow) smtp.write(`Subject: mail\r\n\r\n${linesOf(6 * MIB)}`)
        try {
          await eventually('as many places to be taken as one client gets', async () => (await scene.s3.uploads()).length === 2)
          expect(await send(scene, 'large@far.test', linesOf(MIB), '127.0.0.2')).toMatch(QUEUED)
          expect(await scene.s3.uploads()).toHaveLength(2)
        } finally {
          for (const smtp of slow) smtp.close()
        }
      },
      4,
    )
  })

  it('R-451: while the store is away large mail is put off, small mail flows, and what waits is deferred, not bounced', async () => {
    await withScene('s3rver', async (scene) => {
      const { sluice, s3, far } = scene
      const body = linesOf(6 * MIB)
      far.set({ replies: { rcpt: '450 4.2.0 later' } })
      expect(await send(scene, 'waits@far.test', body)).toMatch(QUEUED)
      await eventually('the deferral', () => sluice.events('deferral').length === 1)
      far.set({ replies: {} })
      await s3.kill()
      await sluice.setClock(3 * HOUR)
      expect(await send(scene, 'large@far.test', body)).toMatch(/^451 4\.3\.0 /)
      expect(await send(scene, 'small@far.test', LINE)).toMatch(QUEUED)
      expect(await sluice.readyz('ingress')).toBe(200)
      const [small] = await far.received(1)
      expect(small === undefined ? '' : recipientOf(small)).toBe('small@far.test')
      expect(sluice.events('store-failed')).toMatchObject([{ error: { message: expect.stringContaining('ECONNREFUSED') } }])
      // A reader waits a minute for its store.
      await eventually('the second deferral', () => sluice.events('deferral').length === 2, 90_000)
      expect(sluice.events('deferral')[1]).toMatchObject({ reply: expect.stringContaining('the content could not be read') })
      expect([...sluice.events('bounce'), ...sluice.events('parked')]).toEqual([])
      await s3.start()
      expect(await send(scene, 'large@far.test', body)).toMatch(QUEUED)
      await sluice.setClock(10 * HOUR)
      await far.received(3, 60_000)
      expect(far.messages.map(recipientOf).toSorted()).toEqual(['large@far.test', 'small@far.test', 'waits@far.test'])
      for (const message of far.messages.filter((each) => recipientOf(each) !== 'small@far.test'))
        expect(sha(bodyOf(message.content))).toBe(sha(body))
      await eventually('the objects to be removed', async () => (await contents(s3)).length === 0)
    })
  }, 180_000)
})
