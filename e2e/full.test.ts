/** Redis at its mark, Redis at its very end, and a disk at its mark: new mail waits outside, what is inside goes out, and then comes in again. */
import { mkdtemp, readdir, rm, statfs } from 'node:fs/promises'
import { startRedis } from '@sluice/testkit'
import { describe, expect, it } from 'vitest'
import { idsAt, untilDelivered } from './support/accounts.ts'
import { eventually, type Sluice, startSluice } from './support/gateway.ts'
import { startLoad } from './support/load.ts'
import { allTo, useFarEnd } from './support/scene.ts'

const MIB = 2 ** 20

const far = useFarEnd()

const configWith = (more: string): string => `
${allTo(far)}
${more}
`

type Scenario = { sluice: Sluice; count: number; bodyBytes: number; refusal: RegExp; isTold: boolean }

/** Fills it, the far end being down, until clients are refused; then the far end is there again. */
const fillAndDrain = async ({ sluice, count, bodyBytes, refusal, isTold }: Scenario): Promise<void> => {
  const before = far.messages.length
  far.set({ replies: { greeting: '421 4.3.2 not now' } })
  const load = startLoad({ port: sluice.smtpPort, count, bodyBytes, to: (n) => `m${n}@far.test` })
  await eventually('refusals', () => load.refusals.length > 20, 60_000)
  if (isTold) await eventually('readiness to say so', async () => (await sluice.readiness('ingress')).startsWith('full: '))
  expect(await sluice.readyz('ingress')).toBe(200)
  expect(load.taken()).toBeLessThan(count)
  expect(far.messages).toHaveLength(before)
  far.set({ replies: {} })
  await sluice.setClock(2 * 3_600_000 + 60_000)
  await load.done
  const account = await untilDelivered(sluice, load.messages, () => idsAt(far).slice(before))
  expect(account).toEqual({ lost: [], doubles: 0, unanswered: 0 })
  expect(load.refusals.filter((reply) => !refusal.test(reply))).toEqual([])
  await eventually('room again', async () => (await sluice.readiness('ingress')) === 'ready')
}

describe('full', () => {
  it.each([
    { what: 'at its mark', fullAt: '50%', refusal: /^452 4\.3\.1 /, isTold: true },
    // So near to its end that one write fits and another does not.
    { what: 'at its very end', fullAt: '100%', refusal: /^(452 4\.3\.1|451 4\.3\.0) /, isTold: false },
  ])('R-full: Redis $what: deliveries are recorded and mail comes in again', async ({ fullAt, refusal, isTold }) => {
    const redis = await startRedis(['--maxmemory', '24mb'])
    const sluice = await startSluice({ config: configWith(`redis: { url: "${redis.url}", fullAt: ${fullAt} }`) })
    try {
      await fillAndDrain({ sluice, count: 1600, bodyBytes: 20_000, refusal, isTold })
    } finally {
      await sluice.stop()
      await redis.stop()
    }
  })

  it('R-full: a disk at its mark: 452 long before it is full', async () => {
    const folder = await mkdtemp('/dev/shm/sluice-e2e-')
    const free = async (): Promise<number> => {
      const disk = await statfs(folder)
      return disk.bavail * disk.bsize
    }
    const mark = (await free()) - 4 * MIB
    const content = `content: { store: file, directory: ${folder}, threshold: 1KiB, minFree: ${mark} }`
    const sluice = await startSluice({ config: configWith(content) })
    try {
      await fillAndDrain({ sluice, count: 600, bodyBytes: 200_000, refusal: /^452 4\.3\.1 /, isTold: true })
      const entries = await readdir(folder, { recursive: true, withFileTypes: true })
      // All contents are gone; the gateway's ID stays.
      expect(entries.filter((entry) => entry.isFile()).map(({ name }) => name)).toEqual(['.gateway'])
    } finally {
      await sluice.stop()
      await rm(folder, { recursive: true, force: true })
    }
  })
})
