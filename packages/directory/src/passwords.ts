/**
 * Passwords of accounts: scrypt hashes `$scrypt$ln=14,r=8,p=1$salt$hash` (base 64), or plain ones from files. A log-in costs
 * one scrypt whether the user exists or not and whatever the password is kept as; a success is remembered, by a keyed digest,
 * so that a client that logs in for each message pays it once.
 */
import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'

const LOG_COST = 14
const KEY_BYTES = 32
const REMEMBERED = 1000

type Parameters = { salt: Buffer; hash: Buffer; N: number; r: number; p: number }

const derive = (password: string, { salt, hash, N, r, p }: Parameters): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    scrypt(password, salt, hash.length, { N, r, p, maxmem: 256 * N * r }, (error, key) => (error ? reject(error) : resolve(key)))
  })

/** null: no such hash, or a cost beyond reason. */
export const parseHash = (text: string): Parameters | null => {
  const match = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+=*)\$([A-Za-z0-9+/]+=*)$/.exec(text)
  if (match === null) return null
  const [, ln, r, p, salt = '', hash = ''] = match
  const parsed = {
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
    N: 2 ** Number(ln),
    r: Number(r),
    p: Number(p),
  }
  return Number(ln) >= 1 && Number(ln) <= 20 && parsed.r > 0 && parsed.p > 0 && parsed.hash.length >= 16 ? parsed : null
}

const encode = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '')

/** A hash for `passwordHash`. */
export const hashPassword = async (password: string): Promise<string> => {
  const parameters = { salt: randomBytes(16), hash: Buffer.alloc(KEY_BYTES), N: 2 ** LOG_COST, r: 8, p: 1 }
  return `$scrypt$ln=${LOG_COST},r=8,p=1$${encode(parameters.salt)}$${encode(await derive(password, parameters))}`
}

/** scrypt runs in the threads that files and names are read with, four of them: a flood of log-ins may have half of those. */
const AT_ONCE = 2

/** Runs work in the order in which it came, so much at once. */
const createTurns = (): (<T>(work: () => Promise<T>) => Promise<T>) => {
  const waiting: (() => void)[] = []
  let running = 0
  return async (work) => {
    if (running >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve))
    else running++
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running--
      else next()
    }
  }
}

export type CheckPassword = (password: string, stored: string | null) => Promise<boolean>

/** @param stored a hash, a plain password, or null: the answer is no, at the same cost */
export const createCheckPassword = (): CheckPassword => {
  const secret = randomBytes(32)
  const digest = (text: string): Buffer => createHmac('sha256', secret).update(text).digest()
  const dummy: Parameters = { salt: randomBytes(16), hash: Buffer.alloc(KEY_BYTES), N: 2 ** LOG_COST, r: 8, p: 1 }
  const remembered = new Set<string>()
  const inTurn = createTurns()

  return async (password, stored) => {
    const ticket = stored === null ? '' : digest(JSON.stringify([password, stored])).toString('base64')
    if (remembered.has(ticket)) return true
    const parsed = stored?.startsWith('$scrypt$') ? parseHash(stored) : null
    const key = await inTurn(() => derive(password, parsed ?? dummy))
    const plain = stored !== null && !stored.startsWith('$scrypt$') && timingSafeEqual(digest(password), digest(stored))
    const right = parsed === null ? plain : timingSafeEqual(key, parsed.hash)
    if (!right) return false
    if (remembered.size >= REMEMBERED) remembered.clear()
    remembered.add(ticket)
    return true
  }
}
