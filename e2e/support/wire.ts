/** An SMTP client that says exactly what a scenario wants said, and shows exactly what comes back. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export type Wire = {
  /** Sends it as it stands; text as UTF-8. */
  write: (data: string | Buffer) => void
  /** The next reply, its lines joined by LF; null when the connection has ended instead. */
  reply: () => Promise<string | null>
  /** Sends lines, each with CRLF, in one piece, and gives the reply to each. */
  say: (...lines: string[]) => Promise<(string | null)[]>
  close: () => void
}

const WITHIN_MS = 30_000

const createReplies = (socket: Socket): (() => Promise<string | null>) => {
  let text = ''
  let ended = false
  let look = (): void => {}
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    look()
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    ended = true
    look()
  })
  const take = (): string | null | undefined => {
    const whole = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\r\n/.exec(text)
    if (whole === null) return ended ? null : undefined
    text = text.slice(whole[0].length)
    return whole[0].replaceAll('\r\n', '\n').trimEnd()
  }
  return () =>
    new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no reply within ${WITHIN_MS} ms; so far: ${text}`)), WITHIN_MS)
      look = (): void => {
        const found = take()
        if (found === undefined) return
        clearTimeout(late)
        look = (): void => {}
        resolve(found)
      }
      look()
    })
}

/** Connects, and reads the greeting. */
export const openWire = async (port: number, host = '127.0.0.1'): Promise<Wire & { greeting: string | null }> => {
  const socket = connect(port, host)
  await once(socket, 'connect')
  const reply = createReplies(socket)
  const write = (data: string | Buffer): void => void socket.write(data)
  const say = async (...lines: string[]): Promise<(string | null)[]> => {
    write(lines.map((line) => `${line}\r\n`).join(''))
    const replies: (string | null)[] = []
    for (const _ of lines) replies.push(await reply())
    return replies
  }
  return { greeting: await reply(), write, reply, say, close: () => void socket.destroy() }
}

export type Mail = {
  from: string
  to: string[]
  /** With CRLF line ends and an end of line at the end; dots are stuffed here. */
  content: string | Buffer
  /** Of MAIL: ` BODY=8BITMIME`. */
  parameters?: string
  /** Of each RCPT. */
  rcptParameters?: string
}

/** Lines that begin with a dot get another (RFC 5321 §4.5.2). */
const stuffed = (content: string | Buffer): Buffer => {
  const text = Buffer.isBuffer(content) ? content.toString('latin1') : Buffer.from(content).toString('latin1')
  return Buffer.from(`\r\n${text}`.replaceAll('\r\n.', '\r\n..').slice(2), 'latin1')
}

/** One mail over a connection of its own. @returns the ID, of `queued as ID`; throws with what was refused */
export const submit = async (port: number, mail: Mail, host?: string): Promise<string> => {
  const wire = await openWire(port, host)
  const commands = [
    'EHLO client.test',
    `MAIL FROM:<${mail.from}>${mail.parameters ?? ''}`,
    ...mail.to.map((address) => `RCPT TO:<${address}>${mail.rcptParameters ?? ''}`),
    'DATA',
  ]
  const replies = await wire.say(...commands)
  wire.write(Buffer.concat([stuffed(mail.content), Buffer.from('.\r\n')]))
  replies.push(await wire.reply())
  wire.close()
  const id = /^250 2\.0\.0 queued as (\w+)$/.exec(replies.at(-1) ?? '')?.[1]
  if (id === undefined) throw new Error(`not queued: ${replies.join(' | ')}`)
  return id
}
