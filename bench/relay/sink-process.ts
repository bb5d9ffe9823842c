/**
 * The far end of the bench, a process of its own: takes every message, throws the content away, and counts how often each came.
 * Each message carries a number in its recipient (`17bench@…`, as `smtp-source -N` makes them), so lost and doubled ones are
 * known one by one. It speaks what Postfix's smtp-sink speaks, and costs less than smtp-sink does when that writes down what it
 * takes: half at 2 KiB, a fifth at 10 MiB. Content is found to end by its final dot; content without a line does not occur here.
 *
 *   node bench/relay/sink-process.ts LEAST_BYTES      prints {port} to its parent, then answers each of its questions
 */
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { monotonicUs } from '../support/numbers.ts'
import type { SinkAnswer, SinkQuestion } from './sink.ts'

const leastBytes = Number(process.argv[2])
const END = Buffer.from('\r\n.\r\n')
const LINE_FEED = 0x0a
const RECIPIENT = /^RCPT TO:<(\d*)([^@>]*)@/i
const EHLO = ['250-sink', '250-PIPELINING', '250-8BITMIME', '250-ENHANCEDSTATUSCODES', '250 DSN', ''].join('\r\n')

/** By the word before the @, without its number: when each number came first, and what else was seen. */
type Tally = { arrivals: Map<number, number>; doubles: number; short: number; lastUs: number }
const tallies = new Map<string, Tally>()

const tallyOf = (mark: string): Tally => {
  const found = tallies.get(mark)
  if (found !== undefined) return found
  const made = { arrivals: new Map<number, number>(), doubles: 0, short: 0, lastUs: 0 }
  tallies.set(mark, made)
  return made
}

type Recipient = { number: number; mark: string }

const record = (recipients: Recipient[], bytes: number): void => {
  const now = monotonicUs()
  for (const { number, mark } of recipients) {
    const tally = tallyOf(mark)
    if (tally.arrivals.has(number)) tally.doubles++
    else tally.arrivals.set(number, now)
    if (bytes < leastBytes) tally.short++
    tally.lastUs = now
  }
}

const serve = (socket: Socket): void => {
  socket.setNoDelay(true)
  socket.on('error', () => {})
  let rest: Buffer | null = null
  let recipients: Recipient[] = []
  /** Of the content that comes now; -1 between messages. */
  let bytes = -1

  /** @returns the reply to one command */
  const answer = (line: string): string => {
    switch (line.slice(0, 4).toUpperCase()) {
      case 'EHLO':
        return EHLO
      case 'RCPT': {
        const [, number = '', mark = line] = RECIPIENT.exec(line) ?? []
        recipients.push({ number: Number(number), mark })
        return '250 2.1.5 Ok\r\n'
      }
      case 'DATA':
        bytes = 0
        return '354 End data with <CR><LF>.<CR><LF>\r\n'
      case 'QUIT':
        return '221 2.0.0 Bye\r\n'
      case 'MAIL':
      case 'RSET':
        recipients = []
        return '250 2.1.0 Ok\r\n'
      default:
        return '250 2.0.0 Ok\r\n'
    }
  }

  socket.on('data', (chunk: Buffer) => {
    const all: Buffer = rest === null ? chunk : Buffer.concat([rest, chunk])
    rest = null
    let at = 0
    let replies = ''
    while (at < all.length) {
      const inContent = bytes >= 0
      const end = inContent ? all.indexOf(END, at) : all.indexOf(LINE_FEED, at)
      if (end < 0) {
        const keptFrom = inContent ? Math.max(at, all.length - END.length + 1) : at
        if (inContent) bytes += keptFrom - at
        rest = Buffer.from(all.subarray(keptFrom))
        break
      }
      if (inContent) {
        record(recipients, bytes + end - at)
        bytes = -1
        replies += '250 2.0.0 Ok\r\n'
        at = end + END.length
      } else {
        replies += answer(all.toString('latin1', at, end))
        at = end + 1
      }
    }
    if (replies.endsWith('221 2.0.0 Bye\r\n')) socket.end(replies)
    else if (replies !== '') socket.write(replies)
  })
  socket.write('220 sink ESMTP\r\n')
}

const tell = (answer: SinkAnswer): void => void process.send?.(answer)

process.on('message', ({ mark, whole }: SinkQuestion) => {
  const { arrivals, doubles, short, lastUs } = tallyOf(mark)
  const strays = [...tallies.keys()].filter((each) => each !== 'bench' && each !== 'warm').length
  tell({ distinct: arrivals.size, doubles, short, strays, lastUs, arrivals: whole ? [...arrivals] : [] })
})
process.on('disconnect', () => process.exit())
const server = createServer(serve)
server.listen({ port: 0, host: '127.0.0.1', backlog: 1000 }, () =>
  process.send?.({ port: (server.address() as AddressInfo).port }),
)
