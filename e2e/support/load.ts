/**
 * Load: many messages over several connections, pipelined on raw sockets, and a record of what the server said to each. A client
 * that loses its connection, or is refused for now, comes again until its message is taken, as real ones do. Each message has a
 * recipient of its own, so that it can be told apart at the far end; each time it is sent it gets another ID.
 */
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export type Attempted = {
  to: string[]
  /** The ID of the 250; null as long as it has none. */
  id: string | null
  /** Times its content went out and no reply came: it may have been stored. */
  unknown: number
}

export type LoadOptions = {
  /** Default 127.0.0.1. */
  host?: string
  port: number
  count: number
  /** Default 10. */
  connections?: number
  to: (n: number) => string | string[]
  /** Bytes of the body; default 200. */
  bodyBytes?: number
}

export type Load = {
  messages: readonly Attempted[]
  taken: () => number
  /** Resolves when so many have got their 250. */
  reached: (count: number) => Promise<void>
  /** Resolves when all have, or after `stop`. */
  done: Promise<void>
  /** Every refusal that was read, in order. */
  refusals: readonly string[]
  /** No further messages are begun; those under way end. */
  stop: () => void
}

const PAUSE_MS = 50

/** Whole replies of a server, one at a time. */
export const openSmtp = (port: number, host = '127.0.0.1', localAddress?: string) => {
  const socket: Socket = connect({ port, host, ...(localAddress === undefined ? {} : { localAddress }) })
  socket.setNoDelay(true)
  const replies: string[] = []
  let lines = ''
  let rest = ''
  let ended = false
  let wake: () => void = () => {}
  const end = (): void => {
    ended = true
    wake()
  }
  socket.on('data', (chunk) => {
    const parts = (rest + chunk.toString()).split('\r\n')
    rest = parts.pop() ?? ''
    for (const line of parts) {
      lines = lines === '' ? line : `${lines}\n${line}`
      if (line[3] === '-') continue
      replies.push(lines)
      lines = ''
    }
    wake()
  })
  socket.on('error', end)
  socket.on('close', end)
  socket.on('end', end)
  return {
    socket,
    isEnded: () => ended,
    write: (text: string | Buffer): void => void (ended || socket.write(text)),
    /** @throws when the connection ends first */
    reply: async (): Promise<string> => {
      for (;;) {
        const first = replies.shift()
        if (first !== undefined) return first
        if (ended) throw new Error('the connection has ended')
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
    close: (): void => void socket.destroy(),
  }
}
export type Smtp = ReturnType<typeof openSmtp>

const envelope = (message: Attempted): string =>
  `MAIL FROM:<load@client.test>\r\n${message.to.map((address) => `RCPT TO:<${address}>\r\n`).join('')}DATA\r\n`

const contentOf = (message: Attempted, body: string): string =>
  `From: <load@client.test>\r\nTo: <${message.to.join('>, <')}>\r\nSubject: load\r\nMessage-ID: <${message.to[0]}>\r\nDate: Mon, 1 Jun 2026 10:00:00 +0000\r\n\r\n${body}.\r\n`

const bodyOf = (bytes: number): string => `${'x'.repeat(76)}\r\n`.repeat(Math.max(1, Math.round(bytes / 78)))

const introduce = async (smtp: Smtp): Promise<void> => {
  const greeting = await smtp.reply()
  if (!greeting.startsWith('220')) throw new Error(greeting)
  smtp.write('EHLO client.test\r\n')
  await smtp.reply()
}

export const startLoad = (options: LoadOptions): Load => {
  const { host, port, count, connections = 10, to, bodyBytes = 200 } = options
  const messages: Attempted[] = Array.from({ length: count }, (_, n) => ({ to: [to(n)].flat(), id: null, unknown: 0 }))
  const open = [...messages].reverse()
  const body = bodyOf(bodyBytes)
  const refusals: string[] = []
  const waiting: { count: number; resolve: () => void }[] = []
  let taken = 0
  let stopped = false
  const next = (): Attempted | undefined => (stopped ? undefined : open.pop())
  const take = (message: Attempted, reply: string): void => {
    message.id = /queued as (\w+)/.exec(reply)?.[1] ?? null
    if (message.id === null) throw new Error(`a 250 without an ID: ${reply}`)
    taken++
    for (const each of waiting) if (taken >= each.count) each.resolve()
  }
  const refuse = async (message: Attempted, reply: string): Promise<void> => {
    refusals.push(reply)
    open.push(message)
    await sleep(PAUSE_MS)
  }

  /** One connection, until it ends or nothing is left to send. */
  const converse = async (): Promise<void> => {
    const smtp = openSmtp(port, host)
    let current: Attempted | undefined
    let following: Attempted | undefined
    let contentSent = false
    try {
      await introduce(smtp)
      current = next()
      if (current !== undefined) smtp.write(envelope(current))
      while (current !== undefined) {
        const replies: string[] = []
        while (replies.length < current.to.length + 2) replies.push(await smtp.reply())
        if (replies.at(-1)?.startsWith('354') !== true) {
          const refused = current
          current = undefined
          await refuse(refused, replies.find((reply) => !reply.startsWith('2')) ?? '')
          current = next()
          if (current !== undefined) smtp.write(envelope(current))
          continue
        }
        following = next()
        contentSent = true
        smtp.write(contentOf(current, body) + (following === undefined ? '' : envelope(following)))
        const reply = await smtp.reply()
        contentSent = false
        const answered = current
        current = following
        following = undefined
        if (reply.startsWith('250')) take(answered, reply)
        else await refuse(answered, reply)
      }
    } catch (error) {
      if (error instanceof Error && /^[45]/.test(error.message)) refusals.push(error.message)
      if (contentSent && current !== undefined) current.unknown++
      for (const message of [following, current]) if (message !== undefined) open.push(message)
      await sleep(PAUSE_MS)
    } finally {
      smtp.close()
    }
  }
  const client = async (): Promise<void> => {
    while (!stopped && taken < count) await converse()
  }
  const done = Promise.all(Array.from({ length: connections }, client)).then(() => {})
  return {
    messages,
    taken: () => taken,
    reached: (wanted) =>
      new Promise((resolve) => {
        if (taken >= wanted) resolve()
        else waiting.push({ count: wanted, resolve })
      }),
    done,
    refusals,
    stop: () => {
      stopped = true
    },
  }
}

/** Whether a server answers there with a greeting that begins so. */
export const greets = async (port: number, code = '220'): Promise<boolean> => {
  const smtp = openSmtp(port)
  try {
    return (await smtp.reply()).startsWith(code)
  } catch {
    return false
  } finally {
    smtp.close()
  }
}
