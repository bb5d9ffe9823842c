/** Small messages put into the spool as ingress would, many at once, where hundreds of thousands are wanted and SMTP is not at issue. */
import { PAYLOAD_VERSION } from '@sluice/contracts'
import { createAdmission } from '@sluice/spool'
import type { TestRedis } from '@sluice/testkit'

const AT_ONCE = 2000

export type Filled = { address: string; destination: string }

/** @param messageOf the one recipient of each, and the destination that it goes to */
export const fillSpool = async (
  redis: TestRedis,
  lanes: number,
  count: number,
  messageOf: (i: number) => Filled,
): Promise<void> => {
  const accept = createAdmission({ redis: redis.client, lanes, now: Date.now })
  const bytes = Buffer.from('Subject: x\r\n\r\nx\r\n')
  const one = (i: number): Promise<void> => {
    const { address, destination } = messageOf(i)
    const to = [{ address }]
    const envelope = {
      v: PAYLOAD_VERSION,
      id: `S${i}${destination.replaceAll('.', '')}`,
      from: 'a@sender.test',
      to,
      sizeBytes: bytes.length,
      body: '7bit',
      utf8: false,
      receivedAt: Date.now(),
    } as const
    return accept({ envelope, content: { kind: 'inline', bytes }, destinations: new Map([[destination, to]]) })
  }
  for (let i = 0; i < count; i += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - i) }, (_, n) => one(i + n)))
  }
}
