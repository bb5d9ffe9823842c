import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Sink, startSink } from './sink.ts'

let sink: Sink
beforeAll(async () => {
  sink = await startSink(20)
})
afterAll(() => sink.stop())

/** One message per recipient over one connection, written in pieces of `pieceBytes`. */
const send = async (recipients: string[], content: string, pieceBytes = 10_000): Promise<void> => {
  const socket = connect(sink.port, '127.0.0.1')
  socket.resume()
  const text = recipients
    .map((each) => `MAIL FROM:<a@b.test>\r\nRCPT TO:<${each}> ORCPT=rfc822;x@y.test\r\nDATA\r\n${content}\r\n.\r\n`)
    .join('')
  const whole = `EHLO client.test\r\n${text}QUIT\r\n`
  for (let at = 0; at < whole.length; at += pieceBytes) {
    socket.write(whole.slice(at, at + pieceBytes))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await once(socket, 'close')
}

const CONTENT = 'Subject: s\r\n\r\nten bytes and more'

describe('the sink', () => {
  it('knows each message by its number, doubles and strays too, however the bytes come', async () => {
    await send(['1bench@far.test', '2bench@far.test', '1warm@far.test'], CONTENT)
    await send(['2bench@far.test', '3bench@far.test', '4other@far.test'], CONTENT, 3)
    expect(await sink.count('bench')).toMatchObject({ distinct: 3, doubles: 1, short: 0, strays: 1 })
    expect(await sink.count('warm')).toMatchObject({ distinct: 1, doubles: 0 })
    expect([...(await sink.arrivals('bench')).keys()]).toEqual([1, 2, 3])
  })

  it('sees a content that came shorter than it was sent', async () => {
    await send(['9warm@far.test'], 'short')
    expect((await sink.count('warm')).short).toBe(1)
  })
})
