/** A raw SMTP client: sends exactly the bytes it is told to, and reads whole replies. */
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'

export type RawClient = {
  socket: Socket | TLSSocket
  /** Writes as it stands: line ends are the caller's. */
  write: (text: string | Buffer) => void
  /** The next whole reply, lines joined by `\n`; rejects when the connection ends first. */
  reply: () => Promise<string>
  /** Sends a line with CRLF and reads its reply. */
  ask: (line: string) => Promise<string>
  /** Resolves when the server has closed the connection. */
  closed: Promise<void>
  startTls: () => Promise<void>
  end: () => void
}

type Inbox = { text: string; over: boolean; wake: () => void }

const attach = (socket: Socket | TLSSocket, inbox: Inbox): void => {
  socket.on('data', (data: Buffer) => {
    inbox.text += data.toString()
    inbox.wake()
  })
  socket.on('error', () => {})
}

const takeReply = (inbox: Inbox): string | null => {
  const match = /^(?:\d{3}-[^\r\n]*\r\n)*\d{3}(?: [^\r\n]*)?\r\n/.exec(inbox.text)
  if (match === null) return null
  inbox.text = inbox.text.slice(match[0].length)
  return match[0].trimEnd().replaceAll('\r\n', '\n')
}

const createClient = (first: Socket | TLSSocket): RawClient => {
  first.setNoDelay(true)
  const inbox: Inbox = { text: '', over: false, wake: () => {} }
  attach(first, inbox)
  const closed = new Promise<void>((resolve) => {
    first.once('close', () => {
      inbox.over = true
      inbox.wake()
      resolve()
    })
  })
  const reply = async (): Promise<string> => {
    for (;;) {
      const found = takeReply(inbox)
      if (found !== null) return found
      if (inbox.over) throw new Error(`the connection ended; left: ${JSON.stringify(inbox.text)}`)
      await new Promise<void>((resolve) => {
        inbox.wake = resolve
      })
    }
  }
  const client: RawClient = {
    socket: first,
    write: (text) => {
      client.socket.write(text)
    },
    reply,
    ask: (line) => {
      client.socket.write(`${line}\r\n`)
      return reply()
    },
    closed,
    startTls: async () => {
      first.removeAllListeners('data')
      const secure = connectTls({ socket: first, rejectUnauthorized: false })
      client.socket = secure
      attach(secure, inbox)
      await new Promise((resolve) => secure.once('secureConnect', resolve))
    },
    end: () => {
      client.socket.destroy()
    },
  }
  return client
}

export const openClient = (port: number, host = '127.0.0.1'): RawClient => createClient(connectTcp({ port, host }))

export const openTlsClient = (port: number): RawClient =>
  createClient(connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }))

/** Greeted and introduced. */
export const greetedClient = async (port: number): Promise<RawClient> => {
  const client = openClient(port)
  await client.reply()
  await client.ask('EHLO client.test')
  return client
}

/** One transaction up to 354. */
export const beginData = async (client: RawClient, to = ['anna@sluice.test'], parameters = ''): Promise<void> => {
  await client.ask(`MAIL FROM:<sender@far.test>${parameters}`)
  for (const address of to) await client.ask(`RCPT TO:<${address}>`)
  const reply = await client.ask('DATA')
  if (!reply.startsWith('354')) throw new Error(`DATA was answered ${reply}`)
}

/** A whole message; resolves to the reply to the final dot. */
export const sendMessage = async (
  client: RawClient,
  content: string | Buffer,
  to?: string[],
  parameters?: string,
): Promise<string> => {
  await beginData(client, to, parameters)
  client.write(content)
  client.write('\r\n.\r\n')
  return client.reply()
}
