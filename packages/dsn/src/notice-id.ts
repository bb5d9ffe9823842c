/**
 * The ID of a notice follows from what it tells: who builds it again after a crash gets the same ID, and the spool admits it once.
 * It begins with the time of the message that it is about.
 */
import { createHash } from 'node:crypto'
import type { NoticeKind } from './types.ts'

const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const TIME_LENGTH = 10
const HASH_LENGTH = 8

/**
 * @param messageId ID of the message that the notice is about
 * @param addresses the recipients it tells of, in any order
 * @returns 18 characters that isMessageId accepts
 */
export const noticeId = (messageId: string, kind: NoticeKind, addresses: readonly string[]): string => {
  const hash = createHash('sha256')
    .update(JSON.stringify([messageId, kind, [...addresses].sort()]))
    .digest()
  const tail = [...hash.subarray(0, HASH_LENGTH)].map((byte) => DIGITS[byte & 31]).join('')
  return messageId.slice(0, TIME_LENGTH) + tail
}
