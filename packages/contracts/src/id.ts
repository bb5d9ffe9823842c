/** Message IDs: 10 characters of time, 8 of chance, in Crockford's base 32; they sort by time and read aloud well. */
import { randomUUID } from 'node:crypto'

const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

const encode = (value: bigint, length: number): string => {
  let rest = value
  let text = ''
  for (let i = 0; i < length; i++) {
    text = DIGITS[Number(rest & 31n)] + text
    rest >>= 5n
  }
  return text
}

/** 40 bits of chance: the first of a version 4 UUID, of which Node.js keeps a stock; asking the system each time costs more. */
const chance = (): bigint => {
  const uuid = randomUUID()
  return BigInt(`0x${uuid.slice(0, 8)}${uuid.slice(9, 11)}`)
}

/** @param now ms since the epoch */
export const newMessageId = (now: number): string => encode(BigInt(now), 10) + encode(chance(), 8)

export const isMessageId = (text: string): boolean => /^[0-9A-HJKMNP-TV-Z]{18}$/.test(text)
