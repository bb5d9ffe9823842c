/**
 * A client that hands messages in at a steady pace over kept connections, however long the server takes: a slow answer delays no
 * other message's start, and is not left out of the figures. The time of a message runs from the moment at which it was to go.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicUs } from '../support/numbers.ts'

export type PacedLoad = {
  port: number
  count: number
  perSecond: number
  sizeBytes: number
  connections: number
  from: string
  to: string
}

type Line = { socket: Socket; say: (text: string, expected: string) => Promise<void> }

const LINE = 'X'.repeat(70)

const contentOf = (sizeBytes: number): string => {
  const lines = Array.from({ length: Math.ceil(sizeBytes / (LINE.length + 2)) }, () => LINE)
  return `From: <source@bench.test>\r\nSubject: paced\r\n\r\n${lines.join('\r\n')}\r\n.\r\n`
}

/** The last line of a reply: its code is followed by a space. */
const COMPLETE = /^(\d{3}) .*\r\n$/m

const openLine = async (port: number, signal: AbortSignal): Promise<Line> => {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, signal })
  let text = ''
  let heard: (reply: string) => void = () => {}
  let lost: (error: Error) => void = () => {}
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
    if (!COMPLETE.test(text)) return
    const reply = text
    text = ''
    heard(reply)
  })
  socket.on('error', (error) => lost(error))
  socket.on('close', () => lost(new Error('the server closed the connection')))
  const reply = async (expected: string): Promise<void> => {
    const got = await new Promise<string>((resolve, reject) => {
      heard = resolve
      lost = reject
    })
    if (!got.startsWith(expected)) throw new Error(`expected ${expected}, the server said ${got.trim()}`)
  }
  const greeted = reply('220')
  await Promise.all([once(socket, 'connect'), greeted])
  const say: Line['say'] = (words, expected) => {
    const answered = reply(expected)
    socket.write(words)
    return answered
  }
  await say('EHLO source.bench.test\r\n', '250')
  return { socket, say }
}

/** @returns when each message was to go, by its number, µs of the machine's clock */
export const paced = async (load: PacedLoad, signal: AbortSignal): Promise<Map<number, number>> => {
  const lines = await Promise.all(Array.from({ length: load.connections }, () => openLine(load.port, signal)))
  const free = [...lines]
  const waiting: ((line: Line) => void)[] = []
  const take = (): Promise<Line> => {
    const line = free.pop()
    return line === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(line)
  }
  const give = (line: Line): void => {
    const next = waiting.shift()
    if (next === undefined) free.push(line)
    else next(line)
  }
  const content = contentOf(load.sizeBytes)
  const sendOne = async (number: number): Promise<void> => {
    const line = await take()
    await line.say(`MAIL FROM:<${load.from}>\r\n`, '250')
    await line.say(`RCPT TO:<${number}${load.to}>\r\n`, '250')
    await line.say('DATA\r\n', '354')
    await line.say(content, '250')
    give(line)
  }
  const begun = new Map<number, number>()
  const under: Promise<void>[] = []
  const startedAt = performance.now()
  try {
    for (let number = 1; number <= load.count; number++) {
      const waitMs = startedAt + (number * 1000) / load.perSecond - performance.now()
      if (waitMs > 0) await sleep(waitMs, undefined, { signal })
      begun.set(number, monotonicUs())
      const sent = sendOne(number)
      sent.catch(() => {}) // told below
      under.push(sent)
    }
    await Promise.all(under)
  } finally {
    for (const { socket } of lines) socket.destroy()
  }
  return begun
}
