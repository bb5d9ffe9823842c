/** A bare LMTP client for tests: sends what it is told to, and hands out replies one by one. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export type LmtpClient = {
  socket: Socket
  /** The next reply, its lines joined by `\n`; 'closed' when the server has ended the connection. */
  reply: () => Promise<string>
  /** Sends a line and returns its reply. */
  say: (line: string) => Promise<string>
  /** MAIL, RCPTs, DATA, content, dot; returns the replies to the RCPTs and those after the dot. */
  deliver: (from: string, to: string[], content: string) => Promise<{ rcpt: string[]; dot: string[] }>
  close: () => void
}

export const lmtpClient = async (port: number): Promise<LmtpClient> => {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const lines: string[] = []
  let held = ''
  let ended = false
  let wake = (): void => {}
  socket.on('data', (bytes) => {
    const parts = (held + bytes.toString('utf8')).split('\r\n')
    held = parts.pop() ?? ''
    lines.push(...parts)
    wake()
  })
  const end = (): void => {
    ended = true
    wake()
  }
  socket.on('close', end)
  socket.on('end', end)
  socket.on('error', end)
  const line = async (): Promise<string | null> => {
    while (lines.length === 0) {
      if (ended) return null
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    return lines.shift() ?? null
  }
  const reply = async (): Promise<string> => {
    const all: string[] = []
    for (;;) {
      const next = await line()
      if (next === null) return 'closed'
      all.push(next)
      if (next[3] !== '-') return all.join('\n')
    }
  }
  const say = (text: string): Promise<string> => {
    socket.write(`${text}\r\n`)
    return reply()
  }
  const deliver = async (from: string, to: string[], content: string): Promise<{ rcpt: string[]; dot: string[] }> => {
    await say(`MAIL FROM:<${from}>`)
    const rcpt: string[] = []
    for (const address of to) rcpt.push(await say(`RCPT TO:${address}`))
    const dot: string[] = []
    const accepted = rcpt.filter((text) => text.startsWith('250')).length
    if (accepted === 0) return { rcpt, dot }
    await say('DATA')
    socket.write(`${content.replace(/^\./gm, '..')}\r\n.\r\n`)
    for (let i = 0; i < accepted; i++) dot.push(await reply())
    return { rcpt, dot }
  }
  return { socket, reply, say, deliver, close: () => socket.destroy() }
}
